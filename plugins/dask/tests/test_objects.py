"""The manifests of a cluster, and what a lab is told of the gateway."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from spawnpenny_dask.credentials import credentials, new_secrets
from spawnpenny_dask.design import choose
from spawnpenny_dask.lab_environment import lab_patch
from spawnpenny_dask.pod_manifest import LAUNCH, PRELOADS
from spawnpenny_dask.scheduler_pod import scheduler_pod
from spawnpenny_dask.settings import DaskSettingsSchema
from spawnpenny_dask.worker_pod import worker_pod

from spawnpenny.testing.plugins import check_pod, make_settings

GOLDEN = Path(__file__).parent / "golden"
SITE = {
    "image_pull_policy": "Always",
    "image_pull_secrets": ["registry"],
    "command": ["/entry"],
    "environment": {"SITE": "physics"},
    "scheduler": {"cores": "500m", "node_selector": {"pool": "core"}, "priority_class_name": "schedulers"},
    "worker": {
        "cores": 4,
        "memory": "8Gi",
        "nanny": True,
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "extra_labels": {"example.org/owner": "{username}"},
        "extra_annotations": {"example.org/note": "x"},
        "extra_container_config": {
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
            "volumeMounts": [{"name": "home", "mountPath": "/home/{username}"}],
        },
        "extra_pod_config": {"volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}]},
    },
}


def pods_of(spawn, section, **options):
    settings = make_settings({"plugins": {"dask": section}}).load("dask", DaskSettingsSchema())
    design = choose(options, settings, None)
    name = spawn.names.own("w-1")
    worker = worker_pod(spawn, design, settings, name=name, scheduler="tls://10.1.2.3:8786")
    return {"scheduler": scheduler_pod(spawn, design, settings), "worker": worker}


@pytest.mark.parametrize(
    ("name", "section", "options"),
    [("plain", {}, {}), ("everything", SITE, {"environment": {"COLOUR": "blue"}, "image": "quay.io/dask:1"})],
)
def test_the_pods_are_hardened_and_as_they_were(spawn, name, section, options):
    section = section | {"options": {"image": {"type": "string"}, "environment": {"type": "mapping"}}}
    made = json.loads(json.dumps(pods_of(spawn, section, **options)))
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
        path.write_text(yaml.safe_dump(made, allow_unicode=True))
    assert made == yaml.safe_load(path.read_text())
    for pod in made.values():
        check_pod(pod, allowed=(), images=("*",))


def test_each_pod_gets_its_own_part_of_the_secret(spawn):
    spawn = replace(spawn, secrets=new_secrets(spawn))
    secret = credentials(spawn, {"COLOUR": "blue"})
    assert secret["stringData"]["env.COLOUR"] == "blue"
    mounted = {
        role: {item["key"] for item in pod["spec"]["volumes"][0]["secret"]["items"]}
        for role, pod in pods_of(spawn, {}).items()
    }
    assert mounted["scheduler"] == {
        "ca.crt",
        "scheduler.crt",
        "scheduler.key",
        "control",
        LAUNCH,
        *PRELOADS["scheduler"],
    }
    assert mounted["worker"] == {"ca.crt", "worker.crt", "worker.key", LAUNCH, *PRELOADS["worker"]}
    assert mounted["scheduler"] | mounted["worker"] <= secret["stringData"].keys()
    authority_key = spawn.secrets["authority"].partition("-----BEGIN PRIVATE KEY-----")[2]
    assert authority_key not in json.dumps(secret)


def test_what_users_and_site_set_never_overrides_the_encryption(spawn):
    name = "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"
    section = {"environment": {name: "False"}}
    for pod in pods_of(spawn, section, environment={name: "False"}).values():
        (variable,) = [entry for entry in pod["spec"]["containers"][0]["env"] if entry["name"] == name]
        assert variable == {"name": name, "value": "True"}


@pytest.mark.slow
def test_what_runs_in_the_pods_is_of_the_oldest_python_that_we_support():
    for file in (LAUNCH, *PRELOADS["scheduler"], *PRELOADS["worker"]):
        ast.parse((files("spawnpenny_dask") / file).read_text(), feature_version=(3, 9))


LAB = {"spec": {"containers": [{"name": "beside"}, {"name": "notebook", "env": [{"name": "SPAWNPENNY_USER"}]}]}}
GATEWAY = {
    "address": "http://spawnpenny.spawnpenny:8080/",
    "proxy_address": "spawnpenny.spawnpenny:8786",
    "public_address": "https://dask.example.org",
}


def test_a_lab_gets_the_address_of_the_gateway_by_default(spawn):
    lab = replace(spawn, kind="lab", env={"DASK_GATEWAY__AUTH__TYPE": "mine"})
    patch = lab_patch(lab, LAB, make_settings({"gateway": GATEWAY}))
    (container,) = patch["spec"]["containers"]
    assert container["name"] == "notebook"
    assert {variable["name"]: variable["value"] for variable in container["env"]} == {
        "SPAWNPENNY_URL": "http://spawnpenny.spawnpenny:8080",
        "DASK_GATEWAY__ADDRESS": "http://spawnpenny.spawnpenny:8080/gateway",
        "DASK_GATEWAY__PROXY_ADDRESS": "spawnpenny.spawnpenny:8786",
        "DASK_GATEWAY__PUBLIC_ADDRESS": "https://dask.example.org",
        "DASK_GATEWAY__AUTH__KWARGS__USERNAME": "lab",
        "DASK_GATEWAY__AUTH__KWARGS__PASSWORD": "{SPAWNPENNY_TOKEN}",
        "DASK_GATEWAY__HTTP_CLIENT__PROXY": "False",
    }


def test_without_a_gateway_labs_and_with_one_the_pods_of_clusters_are_left_alone(spawn):
    assert lab_patch(replace(spawn, kind="lab"), LAB, make_settings({})) is None
    assert lab_patch(spawn, LAB, make_settings({"gateway": GATEWAY})) is None


def test_a_probe_of_the_site_takes_the_place_of_ours_as_in_a_lab(spawn):
    probe = {"exec": {"command": ["true"]}}
    over = {"readinessProbe": probe, "envFrom": [{"configMapRef": {"name": "site"}}]}
    pods = pods_of(spawn, {"image": "dask", "scheduler": {"extra_container_config": over}})
    (container,) = pods["scheduler"]["spec"]["containers"]
    assert (container["readinessProbe"], container["envFrom"]) == (probe, over["envFrom"])
