"""The lab plugin's manifests, and what a request may choose."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from marshmallow import ValidationError
from spawnpenny_lab.choice import choose
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.objects import base_url, lab_pod, lab_secret, lab_url
from spawnpenny_lab.settings import LabSettingsSchema
from spawnpenny_lab.template import Template

from spawnpenny.api import InvalidOptionError, Names, Resources, SettingsError, UnknownOptionError, User, pod_limits
from spawnpenny.testing.plugins import make_settings
from spawnpenny.testing.spawns import make_spawn

GIB = 2**30
SETTINGS = {
    "sizes": {
        "small": {"cpu": "0.5", "memory": "2Gi"},
        "large": {"cpu": 4, "memory": "8Gi", "cpu_guarantee": 1, "memory_guarantee": "4Gi"},
    },
    "images": {"default": "quay.io/lab:1", "r": "quay.io/r:1"},
    "environment": {"SITE": "physics"},
}
GOLDEN = Path(__file__).parent / "golden"


def settings_of(section):
    return make_settings({"plugins": {"lab": section}}).load("lab", LabSettingsSchema())


def pod_of(spawn, section, options=None):
    return lab_pod(spawn, choose(replace(spawn, options=options or {}), settings_of(section)))


def notebook_of(spawn, section):
    return pod_of(spawn, section)["spec"]["containers"][0]


def golden(name, pod):
    path, pod = GOLDEN / f"{name}.yaml", json.loads(json.dumps(pod))
    if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
        path.write_text(yaml.safe_dump(pod, allow_unicode=True))
    assert pod == yaml.safe_load(path.read_text())


def test_the_callers_environment_goes_into_the_secret(spawn):
    assert lab_secret(spawn, 8888) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "lab"},
        "stringData": {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_API_TOKEN": "s3cr3t"},
    }


@pytest.mark.parametrize(
    ("message", "listened"),
    [
        ("http://0.0.0.0:8888/user/ada/", "http://0.0.0.0:9999/user/ada/"),
        ("https://[::]:8888/", "https://[::]:9999/"),
        ("http://:8888", "http://:9999"),
        ("whatever", "whatever"),
    ],
)
def test_a_hub_cannot_know_the_port_that_the_settings_name(spawn, message, listened):
    spawn = replace(spawn, env={"JUPYTERHUB_SERVICE_URL": message})
    assert lab_secret(spawn, 9999)["stringData"] == {"JUPYTERHUB_SERVICE_URL": listened}


def test_the_pod_is_hardened_and_the_users_own(spawn):
    golden("plain", pod_of(spawn, SETTINGS, {"size": "large"}))


def test_a_pod_of_all_settings(spawn):
    section = yaml.safe_load((GOLDEN / "everything.settings.yaml").read_text())
    pod = pod_of(spawn, section)
    golden("everything", pod)
    assert set(section) >= {field.name for field in dataclasses.fields(Template)} - {"command", "slug_scheme"}


def test_no_value_of_the_callers_environment_is_in_the_pod(spawn):
    assert "s3cr3t" not in str(pod_of(spawn, SETTINGS))


def test_the_sites_command_stands_instead_of_the_images(spawn):
    container = notebook_of(spawn, {"command": ["start.sh", "lab"], "args": ["--debug"]})
    assert (container["command"], container["args"]) == (["start.sh", "lab"], ["--debug"])


def test_the_first_size_and_image_are_the_defaults():
    template = choose(make_spawn(), settings_of(SETTINGS))
    assert (template.cpu_limit, template.mem_limit, template.image) == (Decimal("0.5"), 2 * GIB, "quay.io/lab:1")


@pytest.mark.parametrize(
    ("options", "error", "field", "message"),
    [
        ({"size": "smal"}, UnknownOptionError, "options.size", "Did you mean 'small'?"),
        ({"image": "quay.io/evil"}, UnknownOptionError, "options.image", "there are default, r."),
        ({"size": {"cpu": 100}}, InvalidOptionError, "options.size", "chosen by its name"),
        ({"size": None}, InvalidOptionError, "options.size", "chosen by its name"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_can(options, error, field, message):
    with pytest.raises(error) as refused:
        choose(make_spawn(options=options), settings_of(SETTINGS))
    assert refused.value.facts["errors"][0]["field"] == field
    assert message in str(refused.value)


def test_where_the_template_says_the_size_and_the_image_there_is_no_choice():
    assert lab_form(settings_of({"image": "quay.io/lab:1", "mem_limit": "4G"})) == ()


def test_a_misspelt_override_is_reported():
    with pytest.raises(ValidationError, match="did you mean 'image'") as refused:
        Template().overridden({"imag": "x", "environment": {"A": None}})
    assert set(refused.value.messages) == {"imag"}


@pytest.mark.parametrize(("field", "hint"), [("pvc_name", "the plugin storage"), ("hubnamespace", "write its name")])
def test_a_field_of_kubespawner_that_is_elsewhere_says_where(field, hint):
    with pytest.raises(SettingsError, match=hint):
        settings_of({"extra_labels": {"x": f"{{{field}}}"}})


def test_a_map_of_what_is_there_is_laid_over_and_a_probe_is_replaced(spawn):
    probe = {"exec": {"command": ["true"]}}
    further = {
        "envFrom": [{"configMapRef": {"name": "site"}}],
        "securityContext": {"readOnlyRootFilesystem": True},
        "resources": {"limits": {"memory": "1Gi"}},
        "readiness_probe": probe,
    }
    notebook = notebook_of(spawn, {"extra_container_config": further})
    assert notebook["envFrom"] == [{"secretRef": {"name": "lab"}}, {"configMapRef": {"name": "site"}}]
    assert notebook["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert notebook["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert notebook["readinessProbe"] == probe


def test_a_container_that_a_site_adds_to_the_pods_configuration_stands_beside_the_lab(spawn):
    added = {"name": "cron", "image": "cron:1"}
    notebook, cron = pod_of(spawn, {"extra_pod_config": {"containers": [added]}})["spec"]["containers"]
    assert notebook["name"] == "notebook"
    assert cron == added | {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}


def test_nobody_runs_as_another_by_the_settings_of_the_pod_alone(spawn):
    context = pod_of(spawn, {"supplemental_gids": [5000, 3001]})["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (2001, 2002, 2002)
    assert context["supplementalGroups"] == [3001, 5000]


def test_all_containers_run_as_whom_the_settings_name(spawn):
    pod = pod_of(spawn, {"uid": 5001, "init_containers": [{"name": "init", "image": "x"}]})
    assert pod["spec"]["securityContext"]["runAsUser"] == 5001
    assert pod["spec"]["containers"][0]["securityContext"]["runAsUser"] == 5001
    assert "runAsUser" not in pod["spec"]["initContainers"][0]["securityContext"]


@pytest.mark.parametrize("username", ["{pod_name}", "{unescaped_servername}", "..x", "{", "a}b"])
def test_a_users_name_brings_in_no_field_and_leaves_no_folder(spawn, username):
    names = Names.of(username, "lab", "lab", prefix="lab-")
    spawn = replace(spawn, user=User(username, 2001, 2002), names=names)
    mounts = [{"name": "home", "mountPath": "/x", "subPath": "{username}"}]
    section = {"volume_mounts": mounts, "extra_annotations": {"who": "{unescaped_username}"}}
    pod = pod_of(spawn, section)
    assert pod["metadata"]["annotations"]["who"] == username
    assert pod["spec"]["containers"][0]["volumeMounts"][0]["subPath"] == names.user


@pytest.mark.parametrize(
    ("section", "cpu", "memory"),
    [
        ({}, "1", 2 * GIB),
        ({"mem_limit": "4G", "cpu_limit": None}, "0", 4 * GIB),
        ({"extra_resource_limits": {"cpu": 3}}, "3", 2 * GIB),
        ({"extra_containers": [{"name": "a", "image": "a", "resources": {"limits": {"cpu": "500m"}}}]}, "1.5", 2 * GIB),
        ({"init_containers": [{"name": "a", "image": "a", "resources": {"limits": {"cpu": "500m"}}}]}, "1", 2 * GIB),
        ({"init_containers": [{"name": "a", "image": "a", "resources": {"limits": {"memory": "3Gi"}}}]}, "1", 3 * GIB),
        (
            {
                "init_containers": [
                    {"name": "a", "image": "a", "restartPolicy": "Always", "resources": {"limits": {"cpu": 1}}},
                    {"name": "b", "image": "b", "resources": {"limits": {"cpu": 2}}},
                ]
            },
            "3",
            2 * GIB,
        ),
    ],
)
def test_a_lab_counts_what_its_containers_may_use(spawn, section, cpu, memory):
    assert pod_limits(pod_of(spawn, section)) == Resources(Decimal(cpu), Decimal(memory))


@pytest.mark.parametrize("prefix", ["/", "/user/ada/", "/user/ada%40x.org/lab-1/"])
def test_a_lab_answers_where_the_hub_says(prefix):
    assert base_url({"JUPYTERHUB_SERVICE_PREFIX": prefix}) == prefix


@pytest.mark.parametrize("prefix", ["", "user/", "/user", "/a b/", "/?x=/", "/#/", "/\n/", "http://x/"])
def test_a_prefix_that_is_no_path_is_refused(prefix):
    with pytest.raises(InvalidOptionError):
        base_url({"JUPYTERHUB_SERVICE_PREFIX": prefix})


@pytest.mark.parametrize(("address", "host"), [("10.0.0.1", "10.0.0.1"), ("fd00::1", "[fd00::1]")])
def test_the_url_is_of_the_pods_address(address, host):
    ports = [{"containerPort": 8888, "name": "notebook-port"}]
    pod = {
        "metadata": {"annotations": {"spawnpenny.io/base-url": "/user/ada/"}},
        "spec": {"containers": [{"name": "sidecar"}, {"name": "notebook", "ports": ports}]},
        "status": {"podIP": address},
    }
    assert lab_url(pod) == f"http://{host}:8888/user/ada/"
