"""The manifests of a cluster, the environment of labs, and the settings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from spawnpenny_ray.access import AccessStep, gcs_port
from spawnpenny_ray.lab_environment import lab_patch
from spawnpenny_ray.pods import head_pod, worker_pod
from spawnpenny_ray.settings import RaySettingsSchema

from spawnpenny.api import SettingsError
from spawnpenny.testing.plugins import check_pod, make_settings
from spawnpenny.testing.spawns import make_spawn

GOLDEN = Path(__file__).parent / "golden"
SITE = {
    "image": "quay.io/ray:1",
    "image_pull_policy": "Always",
    "image_pull_secrets": ["registry"],
    "environment": {"SITE": "physics"},
    "head": {"cores": "500m", "memory": 1, "node_selector": {"pool": "core"}, "priority_class_name": "heads"},
    "worker": {"cores": 4, "memory": "8Gi", "tolerations": [{"key": "spot", "operator": "Exists"}]},
}


def load(section):
    return make_settings({"plugins": {"ray": section}}).load("ray", RaySettingsSchema())


def shortened(pod):
    """Return a pod without the text of the launcher."""
    (container,) = pod["spec"]["containers"]
    container["args"][2] = "launch.py"
    return pod


@pytest.mark.parametrize(("name", "section"), [("plain", {}), ("everything", SITE)])
def test_the_pods_are_hardened_and_as_they_were(spawn, name, section):
    settings = load(section)
    worker = worker_pod(spawn, settings, name=spawn.names.own("w-1"), head="10.1.2.3")
    pods = {"head": head_pod(spawn, settings), "worker": worker}
    for pod in pods.values():
        check_pod(pod, allowed=(), images=("*",))
    text = yaml.safe_dump({name: shortened(pod) for name, pod in pods.items()}, sort_keys=False)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_the_service_of_a_user_leads_to_the_head(spawn):
    _, service = AccessStep().manifests(spawn)
    assert service["spec"]["selector"].items() <= head_pod(spawn, load({}))["metadata"]["labels"].items()


def test_the_launcher_keeps_its_dollars_from_kubernetes(spawn):
    launcher = head_pod(spawn, load({}))["spec"]["containers"][0]["args"][2]
    assert "$(" not in launcher.replace("$$", "")
    compile(launcher.replace("$$", "$"), "launch.py", "exec")


def test_heads_have_ports_of_their_own_where_pods_share_those_of_one_machine(spawn):
    assert gcs_port(spawn) == 6379
    ports = {gcs_port(replace(spawn, _service_host=lambda _, host=host: host)) for host in ("127.1.1.1", "127.1.1.2")}
    assert len(ports) == 2
    assert all(24_000 <= port < 28_000 for port in ports)


POD = {"spec": {"containers": [{"name": "sidecar"}, {"name": "notebook", "env": []}]}}


def test_a_lab_finds_the_cluster_and_the_token():
    patch = lab_patch(lab(), POD)
    (container,) = patch["spec"]["containers"]
    assert container["name"] == "notebook"
    assert {entry["name"]: entry["value"] for entry in container["env"]} == {
        "RAY_ADDRESS": "ray://spawnpenny-ray.lab-ada.svc:10001",
        "RAY_API_SERVER_ADDRESS": "http://spawnpenny-ray.lab-ada.svc:8265",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": "/etc/spawnpenny-ray/token",
    }


@pytest.mark.parametrize(
    ("spawn", "pod"),
    [
        (make_spawn("lab", env={"RAY_ADDRESS": "ray://elsewhere:10001"}), POD),
        (make_spawn("lab"), {"spec": {"containers": [{"name": "notebook", "env": [{"name": "RAY_AUTH_MODE"}]}]}}),
        (make_spawn("dask", "c1"), POD),
        (make_spawn("ray", "r1"), POD),
    ],
)
def test_a_lab_for_another_ray_and_other_pods_stay_as_they_are(spawn, pod):
    assert lab_patch(replace(spawn, _service_host=lambda name: name), pod) is None


def lab():
    return make_spawn("lab", _service_host=lambda name: f"{name}.lab-ada.svc")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"worker": {"memory": "100Mi"}}, "less than 512 MiB"),
        ({"head": {"cores": 0}}, "more than 0"),
        ({"max_workers": 0}, "max_workers"),
        ({"environment": {"RAY_AUTH_MODE": "disabled"}}, "spawnpenny sets 'RAY_AUTH_MODE' itself"),
        ({"wokers": {}}, "wokers"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(section, words):
    with pytest.raises(SettingsError, match=words):
        load(section)
