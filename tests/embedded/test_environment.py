from __future__ import annotations

import json
import os

import pytest

from spawnpenny.embedded.node.volumes import normal
from spawnpenny.kubernetes.errors import InvalidObjectError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

PRINT_ENV = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
async def sources(site):
    await site.cluster.create(site.make("Secret", "s", stringData={"TOKEN": "from-secret", "SHARED": "secret"}))
    await site.cluster.create(site.make("ConfigMap", "c", data={"SETTING": "from-config", "SHARED": "config"}))


async def environ_of(site, **parts):
    ref = await site.run(site.container("python", PRINT_ENV, **parts))
    await site.until(ref, site.ended)
    return json.loads(await site.log(ref))


async def test_nothing_of_the_services_own_environment_is_passed_on(site, monkeypatch):
    monkeypatch.setenv("SERVICE_PASSWORD", "hidden")
    environ = await environ_of(site)
    assert set(environ) - {"LC_CTYPE"} == {
        "HOME", "HOSTNAME", "LANG", "PATH", "TMPDIR",
        "SPAWNPENNY_CONTAINER", "SPAWNPENNY_NODE", "SPAWNPENNY_POD_UID",
    }  # fmt: skip
    assert os.environ["SERVICE_PASSWORD"] not in environ.values()


async def test_env_comes_from_secrets_config_maps_and_the_pod(site, sources):
    refs = {"secretKeyRef": {"name": "s", "key": "TOKEN"}, "configMapKeyRef": {"name": "c", "key": "SETTING"}}
    fields = ("metadata.name", "metadata.namespace", "metadata.uid", "status.podIP")
    env = [{"name": f"R{n}", "valueFrom": {kind: ref}} for n, (kind, ref) in enumerate(refs.items())]
    env += [{"name": f"F{n}", "valueFrom": {"fieldRef": {"fieldPath": path}}} for n, path in enumerate(fields)]
    environ = await environ_of(site, env=env)
    assert [environ["R0"], environ["R1"]] == ["from-secret", "from-config"]
    assert [environ["F0"], environ["F1"]] == ["pod", "default"]
    assert environ["F2"] == environ["SPAWNPENNY_POD_UID"]
    assert environ["F3"].startswith("127.")


async def test_a_literal_wins_over_env_from_and_the_later_source_over_the_earlier(site, sources):
    env_from = [
        {"secretRef": {"name": "s"}},
        {"configMapRef": {"name": "c"}},
        {"prefix": "P_", "configMapRef": {"name": "c"}},
        {"secretRef": {"name": "absent", "optional": True}},
    ]
    env = [{"name": "TOKEN", "value": "literal"}, {"name": "BOTH", "value": "$(TOKEN)-$(SETTING)-$(NONE)"}]
    environ = await environ_of(site, envFrom=env_from, env=env)
    assert environ["SHARED"] == "config"
    assert environ["BOTH"] == "literal-from-config-$(NONE)"
    assert environ["P_SETTING"] == "from-config"


async def test_a_missing_secret_holds_the_container_until_it_is_there(site):
    source = [{"secretRef": {"name": "late"}}]
    ref = await site.run(site.container("sh", "echo $TOKEN", envFrom=source))
    pod = await site.until(ref, site.waiting_for("CreateContainerConfigError"))
    assert site.state_of(pod)["state"]["waiting"]["message"] == 'secret "late" not found'
    await site.cluster.create(site.make("Secret", "late", stringData={"TOKEN": "here"}))
    await site.until(ref, site.ended)
    assert await site.log(ref) == "here\n"


async def test_secrets_and_config_maps_are_mounted_as_files(site, sources):
    volumes = [
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "c", "configMap": {"name": "c", "items": [{"key": "SETTING", "path": "sub/setting"}]}},
        {"name": "o", "configMap": {"name": "absent", "optional": True}},
    ]
    mounts = [
        {"name": "s", "mountPath": "/etc/s"},
        {"name": "c", "mountPath": "/etc/c"},
        {"name": "s", "mountPath": "/etc/token", "subPath": "TOKEN"},
        {"name": "o", "mountPath": "/o"},
    ]
    ref = await site.run(
        site.container("sh", "/etc/s/SHARED", "/etc/c/sub/setting", "/etc/token", command=["cat"], volumeMounts=mounts),
        volumes=volumes,
    )
    await site.until(ref, site.ended)
    assert await site.log(ref) == "secretfrom-configfrom-secret"


async def test_paths_are_rewritten_in_env_args_and_working_dir(site):
    ref = await site.run(
        site.container(
            "sh", 'pwd -P; echo "$WHERE $0 $1 $2"', "/data/a", "--dir=/data/b", "/database",
            env=[{"name": "WHERE", "value": "/data"}], workingDir="/data/deep",
            volumeMounts=[{"name": "v", "mountPath": "/data"}],
        ),
        volumes=[{"name": "v", "emptyDir": {}}],
    )  # fmt: skip
    pod = await site.until(ref, site.ended)
    home = site.folder / "pods" / pod["metadata"]["uid"]
    data = home / "root/data"
    assert await site.log(ref) == f"{home}/volumes/v/deep\n{data} {data}/a --dir={data}/b /database\n"


@pytest.mark.parametrize(
    "script",
    [
        "cat /opt/dossier/name",
        """python3 -c 'print(open("/opt/dossier/name").read(), end="")'""",
        """python3 -c "print(open(f'/opt/dossier/{str()}name').read(), end='')" """,
        'set -e; D=/opt/dossier; cat "$D/name"',
        'for file in $(ls /opt/dossier/*); do cat <"$file"; done',
        'cat </opt/dossier/name; rm -rf "${HOME}/opt/dossier" nowhere/opt/dossier /opt/dossiers',
    ],
)
async def test_a_script_finds_a_mounted_path_wherever_it_names_it(site, script):
    await site.cluster.create(site.make("ConfigMap", "c", data={"name": "ada"}))
    mounts = [{"name": "c", "mountPath": "/opt/dossier", "readOnly": True}]
    volumes = [{"name": "c", "configMap": {"name": "c"}}]
    assert await site.output(script, volumeMounts=mounts, volumes=volumes) == "ada"


async def test_what_only_looks_like_a_mounted_path_stays_as_it_is(site):
    texts = [
        "$HOME/data",
        '"$X"/data',
        "a/data",
        "/data.old",
        "/database",
        "http://host/data",
        "${X}/data",
        "$(x)/data",
    ]
    mounts = [{"name": "v", "mountPath": "/data"}]
    ref = await site.run(
        site.container("sh", *texts, command=["printf", "%s\n"], volumeMounts=mounts),
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    await site.until(ref, site.ended)
    assert (await site.log(ref)).splitlines() == ["$HOME/data", *texts[1:]]


async def test_a_script_is_not_run_where_its_mounted_path_would_need_quotes(site_in, tmp_path):
    async with site_in(tmp_path / "with a space") as site:
        ref = await site.run(
            site.container("sh", "rm -rf /data/x", volumeMounts=[{"name": "v", "mountPath": "/data"}]),
            volumes=[{"name": "v", "emptyDir": {}}],
        )
        pod = await site.until(ref, site.waiting_for("CreateContainerConfigError"))
        assert "use a folder without spaces" in site.state_of(pod)["state"]["waiting"]["message"]


@pytest.mark.parametrize(
    "volume",
    [
        {"nfs": {"server": "files", "path": "/x"}},
        {"hostPath": {"path": "/x"}},
        {"csi": {"driver": "x.example"}},
        {"projected": {"sources": []}},
        {"downwardAPI": {"items": []}},
        {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
    ],
    ids=lambda volume: next(iter(volume)),
)
async def test_a_volume_that_can_never_be_mounted_is_refused_at_once(site, volume):
    kind = next(iter(volume))
    with pytest.raises(InvalidObjectError, match=f"home is of the kind {kind}, which"):
        await site.run(site.container("sh", "true"), volumes=[{"name": "home", **volume}])


async def test_a_volume_of_no_kind_is_an_empty_folder_as_kubernetes_has_it(site):
    volumes, mounts = [{"name": "home"}], [{"name": "home", "mountPath": "/home/me"}]
    assert await site.output("ls /home/me", volumes=volumes, volumeMounts=mounts) == ""


async def test_a_claim_keeps_its_files_until_it_is_deleted(site):
    claim = Ref.of(await site.cluster.create(site.make_claim("home")))
    more = {
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}],
        "volumeMounts": [{"name": "home", "mountPath": "/home/me", "subPath": "me"}],
        "env": [{"name": "HOME", "value": "/home/me"}],
    }
    await site.output("echo kept > ~/file", name="one", **more)
    assert await site.output("cat ~/file", name="two", **more) == "kept\n"
    assert await site.cluster.delete(claim)
    await site.cluster.create(site.make_claim("home"))
    assert await site.output("ls ~", name="three", **more) == ""


async def test_a_pod_is_unschedulable_without_its_claim(site):
    volume = {"name": "home", "persistentVolumeClaim": {"claimName": "absent"}}
    ref = await site.run(site.container("sh", "true"), volumes=[volume])
    pod = await site.until(ref, lambda pod: pod["status"].get("conditions"))
    (condition,) = pod["status"]["conditions"]
    assert (condition["reason"], pod["status"]["phase"]) == ("Unschedulable", "Pending")
    assert 'persistentvolumeclaim "absent" not found' in condition["message"]


@pytest.mark.parametrize("path", ["/../../../../escaped", "../../../../escaped", "/a/../../../escaped", "//escaped"])
async def test_a_hostile_mount_path_stays_inside(site, path):
    volumes, mounts = [{"name": "v", "emptyDir": {}}], [{"name": "v", "mountPath": path}]
    ref = await site.run(site.container("sh", "true", volumeMounts=mounts), volumes=volumes)
    pod = await site.until(ref, site.ended)
    place = site.folder / "pods" / pod["metadata"]["uid"] / f"root{normal(path)}"
    assert place.is_symlink()
    assert place.resolve().is_relative_to(site.folder)


async def test_a_link_left_in_a_volume_leads_nothing_outside(site, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    await site.cluster.create(site.make_claim("home"))
    volumes = [
        {"name": "home", "persistentVolumeClaim": {"claimName": "home"}},
        {"name": "empty", "emptyDir": {}},
    ]
    home = {"name": "home", "mountPath": "/home"}
    env = [{"name": "HOME", "value": "/home"}]
    await site.output(f"ln -s {outside} ~/link", volumes=volumes, volumeMounts=[home], env=env)
    for name, more in {
        "nested": {"volumeMounts": [home, {"name": "empty", "mountPath": "/home/link/in"}]},
        "sub": {"volumeMounts": [{**home, "subPath": "link"}]},
        "cwd": {"volumeMounts": [home], "workingDir": "/home/link/in"},
    }.items():
        ref = await site.run(site.container("sh", "true", **more), name=name, volumes=volumes)
        await site.until(ref, site.waiting_for("CreateContainerConfigError"))
    assert list(outside.iterdir()) == []


async def test_what_a_pod_mounts_into_a_claim_goes_with_the_pod(site):
    await site.cluster.create(site.make_claim("home"))
    await site.cluster.create(site.make("ConfigMap", "c", data={"key": "value"}))
    volumes = [
        {"name": "home", "persistentVolumeClaim": {"claimName": "home"}},
        {"name": "c", "configMap": {"name": "c"}},
    ]
    mounts = [{"name": "home", "mountPath": "/home"}, {"name": "c", "mountPath": "/home/conf"}]
    env = [{"name": "HOME", "value": "/home"}]
    assert await site.output("cat ~/conf/key", volumes=volumes, volumeMounts=mounts, env=env) == "value"
    ref = Ref(resource_of("Pod"), "pod", "default")
    await site.cluster.delete(ref)
    await site.until_gone(ref)
    assert list((site.folder / "claims/default/home").iterdir()) == []
