"""What a site's configuration comes to: what our plugins make is held to what the real KubeSpawner makes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner
from traitlets.config.loader import PyFileConfigLoader

from spawnpenny.admin.migration.samples import Samples
from spawnpenny.admin.migration.slugs import namespace_names
from spawnpenny.domain.names import DEFAULT_LAB
from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.domain.users import User
from spawnpenny.settings.load import load_settings

CONFIGS = Path(__file__).parent / "configs"
SITE = CONFIGS / "jupyterhub_config.py"
CHOICES = [
    {},
    {"profile": "small", "image": "r"},
    {"profile": "small", "image--unlisted-choice": "quay.io/me/mine:1"},
    {"profile": "gpu"},
]
PLACEMENT = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "schedulerName",
    "imagePullSecrets",
    "dnsConfig",
)
FROM_SETTINGS = {"CPU_LIMIT", "CPU_GUARANTEE", "MEM_LIMIT", "MEM_GUARANTEE", "JUPYTER_IMAGE", "JUPYTERHUB_DEFAULT_URL"}
OWN = {"TEAM", "HOME_OF", "WORKERS"}


def placed(spec, container):
    """Return a container's mounts with what is mounted, whatever the volumes are called."""
    volumes = {
        volume["name"]: {key: value for key, value in volume.items() if key != "name"} for volume in spec["volumes"]
    }
    return {
        mount["mountPath"]: (volumes[mount["name"]], mount.get("subPath"), bool(mount.get("readOnly")))
        for mount in container.get("volumeMounts") or ()
    }


def amounts(container):
    resources = container["resources"]
    return {
        kind: {name: parse_quantity(str(value)) for name, value in (resources.get(kind) or {}).items()}
        for kind in ("limits", "requests")
    }


def number(value):
    try:
        return float(value)
    except ValueError:
        return value


def gist(pod):
    """Return what matters of a pod, in one form for both makers."""
    spec = pod["spec"]
    notebook = next(container for container in spec["containers"] if container["name"] == "notebook")
    contexts = {**(spec.get("securityContext") or {}), **(notebook.get("securityContext") or {})}
    labels = {key: value for key, value in pod["metadata"]["labels"].items() if key != "app.kubernetes.io/managed-by"}
    return {
        "labels": labels,
        "annotations": {
            k: v
            for k, v in pod["metadata"]["annotations"].items()
            if k.startswith(("example.org", "hub.jupyter.org/user", "hub.jupyter.org/server"))
        },
        "placement": {key: spec.get(key) for key in PLACEMENT},
        "container": {key: notebook.get(key) for key in ("image", "imagePullPolicy", "args", "command", "ports")},
        "env": {
            variable["name"]: number(variable["value"])
            for variable in notebook["env"]
            if variable["name"] in FROM_SETTINGS | OWN
        },
        "resources": amounts(notebook),
        "mounts": placed(spec, notebook),
        "security": {key: contexts.get(key) for key in ("runAsUser", "fsGroup", "allowPrivilegeEscalation")},
        "init": [
            ({key: container[key] for key in ("name", "image", "command")}, placed(spec, container))
            for container in spec["initContainers"]
        ],
    }


def as_json(model):
    return ApiClient.__new__(ApiClient).sanitize_for_serialization(model)


@pytest.mark.parametrize(("user", "server"), [("ada", ""), ("Ada.Lovelace@example.org", "work")])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
async def test_a_lab_is_made_of_the_same(migrate, spawner_of, user, server, choice):
    code, printed, output = await asyncio.to_thread(migrate, SITE, "--namespace", "jhub")
    assert code == 0, printed
    samples = Samples(load_settings(str(output)))
    ours = samples.pod(choice, user=User(user, 1000, 100), lab=server or DEFAULT_LAB)

    spawner = spawner_of(user, server, config=PyFileConfigLoader(SITE.name, path=str(CONFIGS)).load_config())
    spawner.user_options = choice
    await spawner.load_user_options()
    assert gist(ours) == gist(as_json(await spawner.get_pod_manifest()))

    (claim,) = samples.claims(user, server)
    theirs = as_json(spawner.get_pvc_manifest())
    assert claim["metadata"]["name"] == theirs["metadata"]["name"]
    assert claim["spec"] == theirs["spec"]


def test_what_cannot_be_carried_is_reported_with_what_to_do(migrate):
    code, printed, output = migrate(CONFIGS / "not_carried.py")
    assert code == 1
    settings = yaml.safe_load(output.read_text())
    assert settings["plugins"]["lab"]["image"] == "quay.io/ours/lab:1"
    lost, known = printed.partition("Not carried over:")[2].split("Notes:")
    for name in (
        "The class Ours: its code is not carried over",
        "modify_pod_hook: a plugin's hook: it returns additions to the pod as data. Use the hook spawnpenny_pod_patch.",
        "uid: the function <lambda> cannot be carried over. Values for a user come from the authenticator",
        "imgae: KubeSpawner has no such trait",
        "user_namespace_labels: ",
        "the service does not know {userid}, the Hub's number of a user",
        "profile_list[0].kubespawner_override.gid: the function",
        "profile 'Big', storage_capacity: a profile cannot override it in spawnpenny. Set plugins.storage.capacity",
        "This is more than mem_limit",
    ):
        assert name in lost
    assert "environment.API_TOKEN: if it is secret" in known
    assert "environment.WHEN: the function <lambda> stays in jupyterhub_config.py" in known
    assert "pods.allow lacks hostPath" in " ".join(known.partition("To fix")[2].split())
    assert " ".join(known.split()).count("need the ConfigMap site, but no step makes it") == 1
    assert "    c.SpawnpennySpawner.http_timeout = 77" in printed
    assert "    c.SpawnpennySpawner.pre_spawn_hook = ...  # copy it: it was c.KubeSpawner.pre_spawn_hook" in printed


def test_values_are_for_the_file_alone(migrate):
    _, printed, output = migrate(CONFIGS / "not_carried.py")
    assert "hunter2" not in printed
    assert "hunter2" in output.read_text()
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_kept(migrate):
    _, _, output = migrate(SITE)
    before = output.read_text()
    code, printed, _ = migrate(CONFIGS / "not_carried.py")
    assert (code, output.read_text()) == (2, before)
    assert "already exists" in printed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import os\nos.environ['NO_SUCH_THING']", "failed at line 2: KeyError: 'NO_SUCH_THING'"),
        ("c.KubeSpawner.image = ", "failed: SyntaxError"),
    ],
)
def test_a_configuration_that_fails_is_reported_with_its_line(migrate, text, says):
    code, printed, output = migrate(text)
    assert code == 2
    assert says in printed
    assert not output.exists()


def test_a_user_namespace_keeps_its_name(migrate):
    text = "c.KubeSpawner.enable_user_namespaces = True"
    assert migrate(text, "--namespace", "jhub")[0] == 0
    code, printed, output = migrate(
        text + "\nc.KubeSpawner.user_namespace_template = '{username}-labs'", name="other.py"
    )
    assert code == 2, printed  # the settings are there
    output.unlink()
    code, printed, _ = migrate(text + "\nc.KubeSpawner.user_namespace_template = '{username}-labs'", name="other.py")
    assert (code, "'{username}-labs' is not a prefix" in printed) == (1, True)


def test_the_values_of_zero_to_jupyterhub_are_carried(migrate):
    code, printed, output = migrate(CONFIGS / "values.yaml")
    assert code == 1, printed
    settings = load_settings(str(output))
    pod = Samples(settings).pod({"profile": "big"}, user=User("ada", 1000, 100))
    found = gist(pod | {"spec": {"initContainers": [], **pod["spec"]}})
    assert found["container"]["image"] == "quay.io/jupyter/scipy-notebook:1"
    assert found["container"]["args"] == ["jupyterhub-singleuser"]
    assert found["labels"]["hub.jupyter.org/network-access-hub"] == "true"
    assert found["resources"]["limits"] == {"cpu": 4, "memory": 8 * 2**30}
    assert found["resources"]["requests"]["memory"] == 2**30
    assert found["mounts"]["/home/jovyan"] == ({"persistentVolumeClaim": {"claimName": "claim-ada"}}, None, False)
    assert found["mounts"]["/shared"] == ({"nfs": {"server": "files", "path": "/shared"}}, None, False)
    assert found["placement"]["schedulerName"] is None
    assert "set scheduler_name, as <release>-user-scheduler" in printed
    *of_the_chart, own = found["placement"]["tolerations"]
    assert {toleration["value"] for toleration in of_the_chart} == {"user"}
    assert own == {"key": "labs", "operator": "Exists"}
    assert "hub.extraConfig.more: it is Python" in printed
    assert "pods.allow lacks nfs" in " ".join(printed.split())


@pytest.mark.parametrize("name", ["ada", "Ada@x", "ada--b", "9lives", "Émilie", "a" * 60])
@pytest.mark.parametrize("scheme", ["safe", "escape"])
def test_the_namespace_of_a_user_is_known_under_both_schemes(spawner_of, monkeypatch, name, scheme):
    monkeypatch.setattr(KubeSpawner, "_namespace_default", lambda self: "jhub")
    spawner = spawner_of(name, enable_user_namespaces=True, slug_scheme=scheme)
    assert spawner.namespace in namespace_names("{hubnamespace}-{username}", name, "jhub")
