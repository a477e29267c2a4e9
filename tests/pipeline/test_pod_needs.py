"""What pods need to be opened for: the words, the level and what to paste, for the settings and for the fence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from spawnpenny.admin.permissions.fence import POLICY, make_fence
from spawnpenny.pipeline.pod_needs import pod_needs, settings_to_paste
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings

ROOT = Path(__file__).parents[2]
HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module")
def lab_pod():
    return yaml.safe_load((ROOT / "tests/pipeline/golden/pod.yaml").read_text())


@pytest.fixture
def with_root(lab_pod):
    """Return the lab's pod with an init container that runs a command as root, hardened but for that."""

    def make(command, **more):
        context = {**HARDENED, "runAsUser": 0, "runAsNonRoot": False}
        init = {"name": "i", "image": "x", "command": command, "securityContext": context, **more}
        return merge_patches(lab_pod, [("site", {"spec": {"initContainers": [init]}})], base="lab")

    return make


def volumes(lab_pod, **sources):
    made = [{"name": source.lower(), source: value} for source, value in sources.items()]
    return merge_patches(lab_pod, [("site", {"spec": {"volumes": made}})], base="lab")


def test_what_is_pasted_is_settings_that_open_it_and_the_fence_follows_them(lab_pod, with_root):
    needs = pod_needs([with_root(["chown", "1000", "/h"]), volumes(lab_pod, hostPath={"path": "/srv"}, nfs={})])
    before = make_settings({"pods": {"allow": ["nfs"], "images": ["quay.io/*"]}, "broker": {"purge": True}}, source="x")
    pasted = settings_to_paste(needs, before.pods, before.broker)
    after = make_settings(yaml.safe_load(pasted), source="pasted")
    assert after.pods.host_paths == ("/srv",)
    assert after.pods.allow == ("nfs", "root", "hostPath", "capabilities:CHOWN")
    assert after.pods.images == ("quay.io/*",)
    assert (after.broker.pod_security, after.broker.purge) == ("privileged", True)
    fence = {policy["metadata"]["name"]: policy["spec"] for policy in make_fence(after) if policy["kind"] == POLICY}
    given = {
        name: {variable["name"]: variable["expression"] for variable in spec["variables"]}
        for name, spec in fence.items()
    }
    assert yaml.safe_load(given["spawnpenny-service"]["opened"]) == ["capabilities:CHOWN", "nfs", "root"]
    assert yaml.safe_load(given["spawnpenny-service"]["hostPaths"]) == ["/srv"]
    assert yaml.safe_load(given["spawnpenny-broker"]["levels"]) == ["privileged"]


def test_what_is_opened_already_needs_nothing_to_paste(with_root):
    settings = make_settings(
        {"pods": {"allow": ["root", "capabilities"]}, "broker": {"pod_security": "baseline"}}, source="x"
    )
    defaults, needs = Settings(), pod_needs([with_root(["chown", "1000", "/h"])])
    assert settings_to_paste(needs, settings.pods, settings.broker) == ""
    assert settings_to_paste(pod_needs([]), defaults.pods, defaults.broker) == ""


def test_a_level_alone_is_pasted_where_only_that_is_too_strict(with_root):
    settings = make_settings({"pods": {"allow": ["root"]}}, source="x")
    needs = pod_needs([with_root(["id"])])
    assert needs.closed(settings.pods.allow) == []
    assert needs.level_lacks("restricted")
    assert not needs.level_lacks("baseline")
    pasted = yaml.safe_load(settings_to_paste(needs, settings.pods, settings.broker))
    assert pasted == {"broker": {"pod_security": "baseline"}}


@pytest.mark.parametrize(
    ("command", "likely"),
    [
        (["chown", "1000:100", "/home/jovyan"], {"CHOWN"}),
        (["/bin/chown", "-R", "1000", "/h"], {"CHOWN", "DAC_OVERRIDE"}),
        (["sh", "-c", "id && chown --recursive 1000 /h; ls"], {"CHOWN", "DAC_OVERRIDE"}),
        (["sh", "-c", "mkdir -p /h/x && chmod 700 /h/x"], {"DAC_OVERRIDE", "FOWNER"}),
        (["su", "jovyan"], {"SETGID", "SETUID"}),
        (["sh", "-c", "echo suchown lostchown-dir"], set()),
        (["id"], set()),
    ],
)
def test_programs_of_root_are_likely_to_need_capabilities(with_root, command, likely):
    needs = pod_needs([with_root(command)])
    assert {opening.word for opening in needs.likely} == {f"capabilities:{name}" for name in likely}
    assert needs.likely_closed(["capabilities"]) == []


@pytest.mark.parametrize(
    "context",
    [
        {**HARDENED, "runAsUser": 1000, "runAsNonRoot": True},
        {"runAsUser": 0, "runAsNonRoot": False, "privileged": True},
        {**HARDENED, "runAsUser": 0, "runAsNonRoot": False, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
        {**HARDENED, "runAsUser": 0, "runAsNonRoot": False, "capabilities": {}},
    ],
)
def test_nothing_is_guessed_of_who_is_not_root_or_has_capabilities(with_root, context):
    assert pod_needs([with_root(["chown", "1", "/"], securityContext=context)]).likely == ()
