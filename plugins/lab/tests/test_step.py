"""The lab plugin, on a whole site: on the embedded cluster, and on a real API server where there is one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from spawnpenny.api import InvalidOptionError, SettingsError, UnknownOptionError
from spawnpenny.testing.plugins import required_level
from spawnpenny.testing.site import lab, settled, start, stop

GOLDEN = Path(__file__).parent / "golden"
SUDO = {
    f"capabilities:{name}" for name in ("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
}


def root(command, name="i", **context):
    """Return a container that runs a command as root."""
    return {
        "name": name,
        "image": "spawnpenny/shell",
        "args": ["-c", command],
        "securityContext": {"runAsUser": 0, **context},
    }


async def test_a_lab_runs_and_says_where(site):
    async with site.service() as service:
        run = await settled(await start(service, env={"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}))
        assert run.record.reason is None
        assert run.record.url.endswith(":8888/user/ada/")


async def test_the_environment_is_in_the_labs_own_secret(site):
    async with site.service() as service:
        run = await settled(await start(service, env={"TOKEN": "Grüße"}))
        found = await site.objects("Secret", spawn=run.record.id)
        assert set(found) == {"Secret/lab"}
        assert base64.b64decode(found["Secret/lab"]["data"]["TOKEN"]).decode() == "Grüße"


async def test_the_api_server_takes_and_keeps_a_pod_of_all_settings(kube_site):
    kube_site.data["plugins"]["lab"] = yaml.safe_load((GOLDEN / "everything.settings.yaml").read_text())
    kube_site.data["pods"] = {"allow": ["privileged", "privilegeEscalation", "serviceAccountToken", "systemPriority"]}
    kube_site.data["broker"] = {"pod_security": "privileged"}
    async with kube_site.service() as service:
        run = await settled(await start(service, env={"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}))
        assert run.record.reason is None
        assert run.record.url.endswith(":9999/user/ada/")
        stored = await kube_site.read("Pod", "lab")
    namespaced = (GOLDEN / "everything.yaml").read_text().replace("lab-ada/lab", f"{kube_site.namespace()}/lab")
    sent = yaml.safe_load(namespaced)
    sent["spec"]["securityContext"]["supplementalGroups"] = [5004]
    assert lost(sent, stored) == []


def lost(sent, stored, path="pod"):
    """Name what of a manifest is not in what is stored, where there may be more."""
    if isinstance(sent, dict):
        return [fault for key, value in sent.items() for fault in lost(value, stored.get(key, {}), f"{path}.{key}")]
    if isinstance(sent, list):
        pairs = zip(sent, stored, strict=False)
        return [f"{path}: too few"] * (len(stored) < len(sent)) + [
            fault for index, (one, other) in enumerate(pairs) for fault in lost(one, other, f"{path}[{index}]")
        ]
    return [] if sent == stored else [f"{path}: {stored!r} for {sent!r}"]


async def test_a_lab_is_ready_when_all_that_its_settings_name_is_there(embedded_site):
    command = ["sh", "-c", "test -e owner-ada && test -e beside && test \"$GREETING\" = 'Hello ada'"]
    home = [{"name": "home", "mountPath": "/home/{username}"}]
    shell = {"image": "spawnpenny/shell", "workingDir": "/home/{username}", "volumeMounts": home}
    embedded_site.data["plugins"]["lab"] = {
        "environment": {"GREETING": "Hello $(WHO)", "WHO": "{username}"},
        "volumes": {"home": {"name": "home", "emptyDir": {}}},
        "volume_mounts": home,
        "working_dir": "/home/{username}",
        "init_containers": [{**shell, "name": "before", "args": ["-c", "touch owner-{username}"]}],
        "extra_containers": {"1": {**shell, "name": "beside", "args": ["-c", "touch beside; exec sleep 60"]}},
        "extra_container_config": {"readiness_probe": {"exec": {"command": command}, "periodSeconds": 1}},
        "extra_pod_config": {"terminationGracePeriodSeconds": 1},
    }
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        await stop(service)
        assert "Pod/lab" not in await embedded_site.objects()


@pytest.mark.parametrize(
    ("section", "openings", "level"),
    [
        ({"uid": 0}, {"root", *SUDO}, "baseline"),
        ({"privileged": True, "allow_privilege_escalation": True}, {"privileged", "privilegeEscalation"}, "privileged"),
        ({"allow_privilege_escalation": None}, {"privilegeEscalation", *SUDO}, "baseline"),
        (
            {"uid": 0, "allow_privilege_escalation": True, "environment": {"GRANT_SUDO": "yes"}},
            {"root", "privilegeEscalation", *SUDO},
            "baseline",
        ),
        (
            {"container_security_context": {"capabilities": {"add": ["NET_ADMIN"]}}},
            {"capabilities:NET_ADMIN"},
            "privileged",
        ),
        ({"container_security_context": {"capabilities": {"drop": ["KILL"]}}}, {"capabilities"}, "baseline"),
        (
            {"automount_service_account_token": True, "service_account": "default"},
            {"serviceAccountToken"},
            "restricted",
        ),
        ({"extra_pod_config": {"hostNetwork": True}}, {"hostNetwork"}, "privileged"),
        ({"extra_container_config": {"securityContext": {"runAsUser": 0}}}, {"root", *SUDO}, "baseline"),
        ({"pod_security_context": {"runAsUser": 0}}, {"root", *SUDO}, "baseline"),
        ({"init_containers": [root("true || chown 1000 /h")]}, {"root", "capabilities:CHOWN"}, "baseline"),
        (
            {"extra_containers": [root("exec sleep 60", capabilities={"add": ["CAP_FOWNER"]})]},
            {"root", "capabilities:FOWNER"},
            "baseline",
        ),
        (
            {"extra_pod_config": {"initContainers": [root("true || mkdir x && chmod 700 .")]}},
            {"root", "capabilities:DAC_OVERRIDE", "capabilities:FOWNER"},
            "baseline",
        ),
        (
            {"init_containers": [root("exit 0", privileged=True)]},
            {"root", "privileged", "privilegeEscalation"},
            "privileged",
        ),
    ],
)
async def test_a_refusal_has_the_settings_with_which_the_lab_starts(embedded_site, section, openings, level):
    await refused_then_started_with_what_was_pasted(embedded_site, section, openings, level)


async def test_a_refusal_of_a_folder_of_the_machine_has_the_settings_with_which_the_lab_starts(kube_site):
    """The embedded cluster mounts no such folder."""
    section = {"volumes": [{"name": "x", "hostPath": {"path": "/srv"}}]}
    await refused_then_started_with_what_was_pasted(kube_site, section, {"hostPath"}, "privileged")


async def refused_then_started_with_what_was_pasted(site, section, openings, level):
    site.data["plugins"]["lab"] = {"image": "spawnpenny/lab", **section}
    site.data["pods"] = {"allow": ["serviceAccountToken"][level == "restricted" :], "images": ["*penny/*"]}
    given = set(site.data["pods"]["allow"])
    async with site.service() as service:
        run = await settled(await start(service))
    assert run.record.reason.code == "pod_not_hardened"
    pasted = yaml.safe_load(run.record.reason.message.partition("\n")[2])
    assert set(pasted["pods"]["allow"]) == openings | given
    assert pasted.get("broker", {"pod_security": "restricted"})["pod_security"] == level
    site.data |= pasted
    async with site.service() as service:
        run = await settled(await start(service, "s2"))
        assert run.record.reason is None
        pod = await site.read("Pod", "lab")
    assert required_level(pod) == level


async def test_a_root_container_has_the_usual_capabilities_that_are_opened_and_no_others(embedded_site):
    named = root("exit 0", name="named", capabilities={"add": ["NET_ADMIN"]})
    user = {"name": "user", "image": "spawnpenny/shell", "args": ["-c", "exit 0"]}
    embedded_site.data["plugins"]["lab"] = {"init_containers": [root("exit 0"), named, user]}
    got = {}
    for opened in (["capabilities:NET_ADMIN", "capabilities:FOWNER", "capabilities:CHOWN"], ["capabilities"]):
        embedded_site.data["pods"] = {"allow": ["root", *opened]}
        async with embedded_site.service() as service:
            assert (await settled(await start(service))).record.reason is None
            pod = await embedded_site.read("Pod", "lab")
            containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
            got[opened[0]] = [container["securityContext"].get("capabilities") for container in containers]
            await stop(service)
    none, admin = {"drop": ["ALL"]}, {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert got == {
        "capabilities:NET_ADMIN": [{"drop": ["ALL"], "add": ["CHOWN", "FOWNER"]}, admin, none, none],
        "capabilities": [None, admin, none, none],
    }


async def test_pod_and_secret_go_with_the_lab(site):
    async with site.service() as service:
        await settled(await start(service))
        await settled(await start(service, name="other"))
        await stop(service)
        assert set(await site.objects("Pod", "Secret")) == {"Pod/lab-other", "Secret/lab-other"}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"options": {"size": "huge"}}, UnknownOptionError),
        ({"options": {"pod": {}}}, UnknownOptionError),
        ({"env": {"JUPYTERHUB_SERVICE_PREFIX": "nowhere"}}, InvalidOptionError),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused_before_anything_is_made(embedded_site, more, error):
    async with embedded_site.service() as service:
        with pytest.raises(error):
            await start(service, **more)
        assert service.spawns.find("ada", lab()) is None
        assert await embedded_site.objects() == {}


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ({"sizes": {}}, "sizes"),
        ({"images": {}}, "images"),
        ({"sizes": {"small": {"cpu": 1}}}, "sizes.small.memory"),
        ({"port": 0}, "port"),
        ({"grace": -1}, "grace"),
        ({"grace": 1, "delete_grace_period": 2}, "delete_grace_period"),
        ({"grace": 9, "extra_pod_config": {"terminationGracePeriodSeconds": 8}}, "grace"),
        ({"extra_pod_config": {"terminationGracePeriodSeconds": "300"}}, "extra_pod_config"),
        ({"images": {"a": "b"}, "image": "b"}, "image"),
        ({"sizes": {"small": {"cpu": 1, "memory": "1Gi"}}, "mem_limit": "1G"}, "mem_limit"),
        ({"mem_limit": "1Q"}, "mem_limit"),
        ({"mem_limit": "1G", "mem_guarantee": "2G"}, "mem_guarantee"),
        ({"args": ["--debug"]}, "args"),
        ({"privileged": True}, "privileged"),
        ({"image_pull_policy": "always"}, "image_pull_policy"),
        ({"volumes": {"home": {"name": "home", "hostpath": {}}}}, "volumes.home"),
        ({"volume_mounts": [{"name": "home"}]}, "volume_mounts.0"),
        ({"extra_containers": [{"name": "x"}]}, "extra_containers.0"),
        ({"tolerations": "all"}, "tolerations"),
        ({"extra_pod_config": {"dnsPolcy": "None"}}, "extra_pod_config"),
        ({"extra_labels": {"spawnpenny.io/user": "eve"}}, "extra_labels"),
        ({"extra_labels": {"example.org/": "x"}}, "extra_labels"),
        ({"common_labels": {"owner": "Ada Lovelace"}}, "common_labels"),
        ({"volumes": [{"name": "a", "nfs": {"servr": "x"}}]}, "volumes.0"),
        ({"volumes": [{"name": "a", "nfs": "x"}]}, "volumes.0"),
        ({"extra_pod_config": {"containers": ["x"]}}, "extra_pod_config"),
        ({"extra_container_config": {"resources": {"limits": {"memory": [1]}}}}, "extra_container_config"),
        ({"volume_mounts": {"a": {"name": "a", "mountPath": "/a", "subPathh": "x"}}}, "volume_mounts.a"),
        ({"init_containers": [{"name": "a", "image": "x", "env": [{"nam": "x"}]}]}, "init_containers.0"),
        ({"extra_pod_config": {"containers": [{"name": "a", "livenessProbe": {"tcpSoket": {}}}]}}, "extra_pod_config"),
        ({"extra_container_config": {"liveness_probe": {"httpGet": {"pth": "/"}}}}, "extra_container_config"),
        ({"lifecycle_hooks": {"preStop": {"exec": {"comand": ["x"]}}}}, "lifecycle_hooks"),
        ({"node_affinity_required": [{"matchExpressions": [{"kee": "x"}]}]}, "node_affinity_required.0"),
        ({"environment": {"X": {"valueFrom": {"secretKeyRf": {}}}}}, "environment.X"),
        ({"container_security_context": {"runAsUsr": 1}}, "container_security_context"),
        ({"pod_security_context": {"seccompProfile": {"typ": "x"}}}, "pod_security_context"),
        ({"pod_security_context": {"run_as_user": 1}}, "pod_security_context"),
        ({"environment": {"DEBUG": 1}}, "environment.DEBUG"),
        ({"environment": {"X": {"value": "x", "valueFrom": {}}}}, "environment.X"),
        ({"environment": {"X": "{usernam}"}}, "environment.X"),
        ({"working_dir": "/home/{username.x}"}, "working_dir"),
        ({"notebook_dir": "/home/{user_server}"}, "notebook_dir"),
        ({"volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}]}, "volumes.0"),
        ({"extra_annotations": {"x": "{userid}"}}, "extra_annotations.x"),
        ({"extra_pod_config": {"hostAliases": [{"hostnames": ["{"]}]}}, "extra_pod_config"),
    ],
)
async def test_settings_that_make_no_lab_are_refused(embedded_site, section, place):
    embedded_site.data["plugins"]["lab"] = section
    with pytest.raises(SettingsError) as refused:
        async with embedded_site.service():
            """It does not start."""
    assert f"plugins.lab.{place}: " in str(refused.value)


@pytest.mark.parametrize(
    ("user", "value"), [("ada@example.org", "ada@example.org"), ("_ada", "_ada"), ("a" * 64, f"{'a' * 64!r} (64")]
)
async def test_a_label_that_kubernetes_does_not_take_is_named(site, user, value):
    labels = {"example.org/fine": "x", "example.org/owner": "{unescaped_username}"}
    site.data["plugins"]["lab"] = {"extra_labels": labels}
    async with site.service() as service:
        run = await settled(await start(service, user=user, env={"JUPYTERHUB_USER": user}))
        assert run.record.reason.code == "cluster_invalid_object"
        message = run.record.reason.message
        assert "The label example.org/owner has the value" in message
        assert value in message
        assert "at most 63 letters" in message
        await stop(service, user=user)


async def test_white_space_around_a_text_is_not_part_of_it(embedded_site):
    image = {
        "display_name": "Image",
        "unlisted_choice": {"enabled": True, "kubespawner_override": {"image": "{value}"}},
    }
    profile = {"display_name": "P", "profile_options": {"image": image}}
    embedded_site.data["plugins"]["lab"] = {"profile_list": [profile]}
    async with embedded_site.service() as service:
        run = await settled(await start(service, options={"image--unlisted-choice": "\t spawnpenny/lab \n"}))
        assert run.record.reason is None
        assert (await embedded_site.read("Pod", "lab"))["spec"]["containers"][0]["image"] == "spawnpenny/lab"
        with pytest.raises(InvalidOptionError, match="1 to 256"):
            await start(service, name="other", options={"image--unlisted-choice": "  "})
