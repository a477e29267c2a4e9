"""The pod that the installed KubeSpawner makes of the same traits, and ours: where it says something, so does ours."""

from __future__ import annotations

import copy
import runpy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import kubernetes_asyncio.client.models as client
import pytest
from kubernetes_asyncio.client import ApiClient, Configuration
from kubespawner import KubeSpawner
from spawnpenny_lab import models
from spawnpenny_lab.models import snake_case
from spawnpenny_lab.objects import lab_pod
from spawnpenny_lab.settings import LabSettingsSchema
from traitlets.config import Config

from spawnpenny.api import DEFAULT_LAB, Names, SettingsError, User, parse_quantity
from spawnpenny.testing.plugins import kubernetes_types, load_plugins, make_settings

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NAMES = [
    "ada",
    "Ada",
    "ada@example.org",
    "ada.lovelace",
    "ada_l",
    "ada--l",
    "7ada",
    "-ada-",
    "{pod_name}",
    "a..b",
    "Grüße",
    "愛",
    "a" * 32,
    "a" * 40 + "@x",
    "a" * 48,
    "a" * 64,
    "x" * 255,
]
FIELDS = [
    f"{form}{name}" for form in ("", "safe_", "escaped_") for name in ("username", "servername", "user_server")
] + ["unescaped_username", "unescaped_servername"]
TERM = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
POD_TERM = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}
CASES = {
    "nothing": {},
    "image": {
        "image": "quay.io/lab:1",
        "image_pull_policy": "Always",
        "image_pull_secrets": ["one", {"name": "two"}],
    },
    "one pull secret": {"image_pull_secrets": "one"},
    "command": {"cmd": ["start.sh", "lab"], "args": ["--debug"], "working_dir": "/home/{username}"},
    "one word of a command": {"cmd": "jupyterhub-singleuser"},
    "folder and page": {"notebook_dir": "/home/{username}", "default_url": "/lab/tree/{username}"},
    "port": {"port": 9999},
    "resources": {"cpu_limit": 2.5, "cpu_guarantee": 0.1, "mem_limit": "2G", "mem_guarantee": "512M"},
    "bytes": {"mem_limit": 1073741824, "mem_guarantee": "1.5M"},
    "no resources": {"cpu_limit": 0, "mem_limit": 0},
    "GPUs": {
        "cpu_limit": 2,
        "extra_resource_limits": {"nvidia.com/gpu": "1"},
        "extra_resource_guarantees": {"nvidia.com/gpu": "1"},
    },
    "volumes": {
        "volumes": [{"name": "home", "persistent_volume_claim": {"claimName": "claim-{user_server}"}}],
        "volume_mounts": [{"name": "home", "mount_path": "/home/{username}", "subPath": "{unescaped_username}"}],
    },
    "volumes by key": {
        "volumes": {"b": {"name": "b", "emptyDir": {}}, "a": {"name": "a", "hostPath": {"path": "/data/{username}"}}},
        "volume_mounts": {"2": {"name": "b", "mountPath": "/b"}, "1": {"name": "a", "mountPath": "/a"}},
    },
    "further containers": {
        "init_containers": {"1": {"name": "init", "image": "x", "command": ["sh", "-c", "echo ${{HOME}} {username}"]}},
        "extra_containers": [{"name": "cron", "image": "y", "imagePullPolicy": "Never", "volume_mounts": []}],
    },
    "further configuration": {
        "extra_container_config": {"tty": True, "termination_message_path": "/tmp/{x}"},
        "extra_pod_config": {"dnsPolicy": "None", "dns_config": {"searches": ["{username}.example.org"]}},
    },
    "labels": {
        "extra_labels": {"owner": "{username}", "app": "mine"},
        "common_labels": {"app": "hub", "release": "r"},
        "component_label": "lab",
    },
    "annotations": {"extra_annotations": {"who": "{unescaped_username}/{unescaped_servername}"}},
    "environment": {
        "environment": {
            "A": "$(B)/x",
            "B": "$(C){username}",
            "C": "{{braces}}",
            "LOOP": "$(POOL)",
            "POOL": "$(LOOP)",
            "UNKNOWN": "$(NOBODY)",
            "IP": {"value_from": {"fieldRef": {"fieldPath": "status.podIP"}}},
            "key": {"name": "OTHER", "value": "{servername}"},
        }
    },
    "placement": {
        "node_selector": {"disk": "ssd"},
        "tolerations": {"b": {"key": "b", "operator": "Exists"}, "a": {"key": "a", "toleration_seconds": 5}},
        "node_affinity_preferred": [{"weight": 1, "preference": TERM}],
        "node_affinity_required": {"a": TERM},
        "pod_affinity_preferred": [{"weight": 2, "podAffinityTerm": POD_TERM}],
        "pod_affinity_required": [POD_TERM],
        "pod_anti_affinity_preferred": [{"weight": 3, "pod_affinity_term": POD_TERM}],
        "pod_anti_affinity_required": [POD_TERM],
        "scheduler_name": "mine",
        "priority_class_name": "labs",
    },
    "identity": {
        "uid": 1234,
        "gid": 1235,
        "fs_gid": 1236,
        "supplemental_gids": [3001, 3002],
        "pod_security_context": {"fsGroupChangePolicy": "OnRootMismatch", "runAsUser": 1},
        "container_security_context": {"readOnlyRootFilesystem": True, "runAsGroup": 5},
    },
    "privileges": {"privileged": True, "allow_privilege_escalation": True},
    "the cluster's privileges": {"allow_privilege_escalation": None},
    "service account": {"service_account": "sa-{username}", "automount_service_account_token": True},
    "hooks": {
        "lifecycle_hooks": {
            "postStart": {"exec": {"command": ["sh", "-c", "echo ${HOME}"]}},
            "pre_stop": {"exec": {"command": ["sync"]}},
        }
    },
    "escape": {"slug_scheme": "escape", "extra_annotations": {"all": "{username} {servername} {user_server}"}},
}
OVERRIDES = {
    "values": {"image": "quay.io/other:1", "mem_limit": "1G", "uid": None, "cmd": ["x"]},
    "maps": {"environment": {"A": "new", "B": None}, "node_selector": {"gpu": "yes"}},
    "volumes by key": {"volumes": {"c": {"name": "c", "emptyDir": {}}, "a": None}},
    "a list": {"tolerations": [{"key": "only", "operator": "Exists"}]},
    "deep": {"extra_pod_config": {"affinity": {"podAffinity": None, "nodeAffinity": {PREFERRED: [{"weight": 2}]}}}},
}
BASE = {
    "mem_limit": "2G",
    "uid": 1234,
    "environment": {"A": "a", "B": "b", "C": "c"},
    "node_selector": {"disk": "ssd"},
    "volumes": {"a": {"name": "a", "emptyDir": {}}, "b": {"name": "b", "emptyDir": {}}},
    "tolerations": {"t": {"key": "t", "operator": "Exists"}},
    "extra_pod_config": {"affinity": {"podAffinity": {}, "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
}


@pytest.fixture
def kubespawner(monkeypatch):
    """Make pods as KubeSpawner does: the installed one, but for its connection to a cluster."""
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda _: None)

    async def make(traits, *, username="ada", server="", override=()):
        config = Config()
        config.KubeSpawner = Config(copy.deepcopy(traits))
        spawner = KubeSpawner(
            config=config,
            user=SimpleNamespace(name=username, id=7, url="/user/x/"),
            hub=SimpleNamespace(public_host="", base_url="/hub/", api_url="http://hub:8081/hub/api"),
            orm_spawner=SimpleNamespace(name=server, server=None),
            oauth_client_id="x",
            api_token="t",
            cookie_options={},
            _mock=True,
        )
        spawner._apply_overrides(copy.deepcopy(dict(override)))
        manifest = await spawner.get_pod_manifest()
        async with ApiClient(Configuration()) as api:
            return api.sanitize_for_serialization(manifest)

    return make


@pytest.fixture
def ours(spawn):
    """Make pods as we do, for the same users and servers."""

    def make(traits, *, username="ada", server="", override=()):
        section = {"cpu_limit": None, "mem_limit": None, **copy.deepcopy(traits)}
        settings = make_settings({"plugins": {"lab": section}}).load("lab", LabSettingsSchema())
        lab = server or DEFAULT_LAB
        names = Names.of(username, "lab", lab, prefix="lab-")
        template = settings.template.overridden(dict(override))
        return lab_pod(replace(spawn, user=User(username, 2001, 2002), name=lab, names=names), template)

    return make


def said(pod):
    """Return what a pod says that both kinds of pods can say, in one form."""
    notebook, *others = pod["spec"]["containers"]
    spec = {
        **{key: value for key, value in pod["spec"].items() if key not in {"containers", "enableServiceLinks"}},
        "notebook": {key: value for key, value in notebook.items() if key not in {"envFrom", "readinessProbe"}},
        "others": others,
    }
    metadata = {kind: dict(pod["metadata"][kind]) for kind in ("labels", "annotations")}
    if metadata["labels"].get("app.kubernetes.io/managed-by") in {"kubespawner", "spawnpenny"}:
        metadata["labels"].pop("app.kubernetes.io/managed-by")
    for key in list(metadata["annotations"]):
        if key.startswith("spawnpenny.io/") or key.endswith("-version"):
            metadata["annotations"].pop(key)
    spec["notebook"]["env"] = [variable for variable in notebook["env"] if not of_the_hub(variable["name"])]
    spec["notebook"]["resources"] = {
        kind: {name: parse_quantity(amount) for name, amount in amounts.items()}
        for kind, amounts in notebook["resources"].items()
    }
    return without_nothing({**metadata, **spec})


def of_the_hub(name):
    ours_too = {"JUPYTERHUB_ROOT_DIR", "JUPYTERHUB_DEFAULT_URL"}
    return name.startswith(("JUPYTERHUB_", "JPY_")) and name not in ours_too


def without_nothing(value):
    if isinstance(value, dict):
        return {key: kept for key, inner in value.items() if (kept := without_nothing(inner)) not in ({}, [])}
    return [without_nothing(inner) for inner in value] if isinstance(value, list | tuple) else value


def numbers(pod):
    """Return the amounts that a pod's environment tells, as numbers."""
    amounts = {"CPU_LIMIT", "CPU_GUARANTEE", "MEM_LIMIT", "MEM_GUARANTEE"}
    return {
        variable["name"]: Decimal(variable["value"])
        for variable in pod["notebook"]["env"]
        if variable["name"] in amounts
    }


def hold(theirs, our):
    """Compare: security contexts may say more, the rest has to be the same."""
    theirs, our = said(theirs), said(our)
    theirs.setdefault("terminationGracePeriodSeconds", our["terminationGracePeriodSeconds"])  # drains of theirs have 30
    assert numbers(our) == numbers(theirs)
    for pod in (theirs, our):
        pod["notebook"]["env"] = [
            variable for variable in pod["notebook"]["env"] if variable["name"] not in numbers(pod)
        ]
    for path in ((), ("notebook",), ("others",), ("initContainers",)):
        for one, other in zip(parts(theirs, path), parts(our, path), strict=True):
            harder = other.pop("securityContext", {})
            assert one.pop("securityContext", {}).items() <= harder.items()
    assert our == theirs


def parts(pod, path):
    found = pod
    for key in path:
        found = found.get(key, [])
    return found if isinstance(found, list) else [found]


@pytest.mark.filterwarnings("ignore:Passing KubeSpawner.image_pull_secrets string:DeprecationWarning")
@pytest.mark.parametrize("case", CASES)
async def test_the_same_traits_make_the_same_pod(kubespawner, ours, case):
    traits = {"image": "quay.io/lab:1", **CASES[case]}
    hold(await kubespawner(traits, server="two"), ours(traits, server="two"))


@pytest.mark.parametrize("case", OVERRIDES)
async def test_a_profile_overrides_the_same(kubespawner, ours, case):
    traits, override = {"image": "quay.io/lab:1", **BASE}, OVERRIDES[case]
    theirs, our = await kubespawner(traits, override=override), ours(traits, override=override)
    hold(theirs, our)
    assert said(our) != said(ours(traits))


@pytest.mark.parametrize("server", ["", "two", "Zwei Ö", "b" * 40])
@pytest.mark.parametrize("username", NAMES, ids=ascii)
async def test_names_come_to_the_same_labels_and_fields(kubespawner, ours, username, server):
    templates = {field: f"<{{{field}}}>" for field in FIELDS} | {
        "bare": "claim-{user_server}",
        "old": "{username}--{servername}",
    }
    traits = {"image": "quay.io/lab:1", "extra_annotations": templates}
    theirs = await kubespawner(traits, username=username, server=server)
    our = ours(traits, username=username, server=server)
    assert said(our)["labels"] == said(theirs)["labels"]
    assert said(our)["annotations"] == said(theirs)["annotations"]


@pytest.mark.parametrize("model", [var for var in vars(models).values() if isinstance(var, models.Model)])
def test_the_fields_are_those_of_the_installed_client(model):
    known = getattr(client, f"V1{model.name}").attribute_map
    assert {snake_case(field): field for field in model.fields} == known


def test_the_table_of_types_is_that_of_the_client():
    made = runpy.run_path(str(Path(__file__).parents[3] / "tools" / "kubernetes_types.py"))
    assert made["kubernetes_types"]() == kubernetes_types()


def test_a_key_that_is_deep_in_an_object_is_reported_with_its_place_and_what_was_meant(embedded_site):
    volume = {"name": "a", "projected": {"sources": [{"secret": {"name": "x"}}, {"secret": {"itms": []}}]}}
    embedded_site.data["plugins"]["lab"] = {"volumes": [volume]}
    with pytest.raises(SettingsError) as refused:
        load_plugins(embedded_site.settings)
    message = "volumes.0: projected.sources[1].secret: 'itms' is no field of a SecretProjection: did you mean 'items'?"
    assert message in refused.value.message
