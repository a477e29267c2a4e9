"""The lab plugin's manifests, and what a request may choose."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from spawnpenny_lab.choice import choose
from spawnpenny_lab.objects import base_url, lab_pod, lab_secret, lab_url
from spawnpenny_lab.settings import LabSettings, Size

from spawnpenny.api import InvalidOptionError, Resources, UnknownOptionError

GIB = 2**30
SETTINGS = LabSettings(
    sizes={
        "small": Size(Decimal("0.5"), Decimal(2 * GIB)),
        "large": Size(Decimal(4), Decimal(8 * GIB), cpu_guarantee=Decimal(1), memory_guarantee=Decimal(4 * GIB)),
    },
    images={"default": "quay.io/lab:1", "r": "quay.io/r:1"},
    environment={"SITE": "physics"},
)


def test_the_callers_environment_goes_into_the_secret(spawn):
    assert lab_secret(spawn) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "lab"},
        "stringData": {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_API_TOKEN": "s3cr3t"},
    }


def test_the_pod_is_hardened_and_the_users_own(spawn):
    assert lab_pod(spawn, choose({"size": "large"}, SETTINGS), SETTINGS) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "lab",
            "labels": {
                "app": "jupyterhub",
                "component": "singleuser-server",
                "hub.jupyter.org/username": "ada",
                "hub.jupyter.org/servername": "",
            },
            "annotations": {"spawnpenny.io/base-url": "/user/ada/"},
        },
        "spec": {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsUser": 2001,
                "runAsGroup": 2002,
                "runAsNonRoot": True,
                "fsGroup": 2002,
                "supplementalGroups": [3001],
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "notebook",
                    "image": "quay.io/lab:1",
                    "ports": [{"name": "notebook-port", "containerPort": 8888}],
                    "envFrom": [{"secretRef": {"name": "lab"}}],
                    "env": [
                        {"name": "JUPYTER_IMAGE", "value": "quay.io/lab:1"},
                        {"name": "JUPYTER_IMAGE_SPEC", "value": "quay.io/lab:1"},
                        {"name": "CPU_LIMIT", "value": "4"},
                        {"name": "CPU_GUARANTEE", "value": "1"},
                        {"name": "MEM_LIMIT", "value": "8589934592"},
                        {"name": "MEM_GUARANTEE", "value": "4294967296"},
                        {"name": "SITE", "value": "physics"},
                    ],
                    "resources": {
                        "limits": {"cpu": "4", "memory": "8Gi"},
                        "requests": {"cpu": "1", "memory": "4Gi"},
                    },
                    "readinessProbe": {
                        "httpGet": {"path": "/user/ada/api", "port": "notebook-port"},
                        "periodSeconds": 1,
                        "timeoutSeconds": 5,
                    },
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def test_no_value_of_the_callers_environment_is_in_the_pod(spawn):
    assert "s3cr3t" not in str(lab_pod(spawn, choose({}, SETTINGS), SETTINGS))


def test_the_sites_command_stands_instead_of_the_images(spawn):
    settings = replace(SETTINGS, command=("start.sh", "lab"))
    (container,) = lab_pod(spawn, choose({}, settings), settings)["spec"]["containers"]
    assert container["command"] == ["start.sh", "lab"]


def test_the_first_size_and_image_are_the_defaults():
    choice = choose({}, SETTINGS)
    assert (choice.size, choice.image) == (SETTINGS.sizes["small"], "quay.io/lab:1")


def test_a_choice_counts_what_it_may_use_and_one_lab():
    assert choose({"size": "large"}, SETTINGS).resources == Resources(Decimal(4), Decimal(8 * GIB), labs=1)


@pytest.mark.parametrize(
    ("options", "error", "field", "told"),
    [
        ({"size": "smal"}, UnknownOptionError, "options.size", "Did you mean 'small'?"),
        ({"image": "quay.io/evil"}, UnknownOptionError, "options.image", "there are default, r."),
        ({"size": {"cpu": 100}}, InvalidOptionError, "options.size", "chosen by its name"),
        ({"size": None}, InvalidOptionError, "options.size", "chosen by its name"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_can(options, error, field, told):
    with pytest.raises(error) as refused:
        choose(options, SETTINGS)
    assert refused.value.facts["errors"][0]["field"] == field
    assert told in str(refused.value)


@pytest.mark.parametrize("prefix", ["/", "/user/ada/", "/user/ada%40x.org/lab-1/"])
def test_a_lab_answers_where_the_hub_says(prefix):
    assert base_url({"JUPYTERHUB_SERVICE_PREFIX": prefix}) == prefix


@pytest.mark.parametrize("prefix", ["", "user/", "/user", "/a b/", "/?x=/", "/#/", "/\n/", "http://x/"])
def test_a_prefix_that_is_no_path_is_refused(prefix):
    with pytest.raises(InvalidOptionError):
        base_url({"JUPYTERHUB_SERVICE_PREFIX": prefix})


@pytest.mark.parametrize(("address", "host"), [("10.0.0.1", "10.0.0.1"), ("fd00::1", "[fd00::1]")])
def test_the_url_is_of_the_pods_address(address, host):
    pod = {"metadata": {"annotations": {"spawnpenny.io/base-url": "/user/ada/"}}, "status": {"podIP": address}}
    assert lab_url(pod, SETTINGS) == f"http://{host}:8888/user/ada/"
