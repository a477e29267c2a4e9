"""The hardening rules: the standard lab keeps them all, and each opening opens one thing."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from spawnpenny.errors import SettingsError
from spawnpenny.pipeline.errors import HardeningError
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.pipeline.pod_openings import OPENINGS, check_openings
from spawnpenny.pipeline.pod_patches import merge_patches

GOLDEN = Path(__file__).parent / "golden" / "pod.yaml"


@pytest.fixture(scope="module")
def lab_pod():
    return yaml.safe_load(GOLDEN.read_text())


def spec(**more):
    return {"spec": more}


def container(**more):
    return {"spec": {"containers": [{"name": "x", "image": "x", "securityContext": SAFE, **more}]}}


def context(**more):
    return {"spec": {"containers": [{"name": "x", "image": "x", "securityContext": {**SAFE, **more}}]}}


def to_paste(error):
    """Return the settings that a refusal says to set."""
    return yaml.safe_load(str(error).partition("\n")[2])


SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
CASES = [
    ("hostNetwork", spec(hostNetwork=True)),
    ("hostPID", spec(hostPID=True)),
    ("hostIPC", spec(hostIPC=True)),
    ("hostPath", spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}])),
    ("nfs", spec(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}])),
    ("imageVolume", spec(volumes=[{"name": "v", "image": {"reference": "quay.io/data:1"}}])),
    ("serviceAccount", spec(serviceAccountName="reader")),
    ("serviceAccount", spec(serviceAccount="reader")),
    ("systemPriority", spec(priorityClassName="system-node-critical")),
    ("nodeName", spec(nodeName="n1")),
    ("everyTaint", spec(tolerations=[{"operator": "Exists"}])),
    ("everyTaint", spec(tolerations=[{"key": "", "operator": "Exists", "effect": "NoSchedule"}])),
    ("finalizers", {"metadata": {"finalizers": ["example.org/hold"]}}),
    ("otherVolume", spec(volumes=[{"name": "v", "iscsi": {}}])),
    ("hostPort", container(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("probeHost", container(livenessProbe={"tcpSocket": {"host": "10.0.0.1", "port": 1}})),
    ("probeHost", container(lifecycle={"preStop": {"httpGet": {"host": "metadata", "port": 80}}})),
    ("privileged", context(privileged=True)),
    ("privilegeEscalation", context(allowPrivilegeEscalation=True)),
    ("capabilities", context(capabilities={"drop": []})),
    ("capabilities", context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})),
    ("root", context(runAsUser=0)),
    ("root", context(runAsNonRoot=False)),
    ("seccomp", context(seccompProfile={"type": "Unconfined"})),
    ("seLinux", context(seLinuxOptions={"type": "spc_t"})),
    ("appArmor", context(appArmorProfile={"type": "Unconfined"})),
    ("appArmor", {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/x": "unconfined"}}}),
    ("procMount", context(procMount="Unmasked")),
    ("hostProcess", context(windowsOptions={"hostProcess": True})),
    ("sysctls", spec(securityContext={"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}]})),
    (
        "serviceAccountToken",
        spec(volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
    ),
    (
        "serviceAccountToken",
        spec(volumes=[{"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": "a/b"}}]}}]),
    ),
]
IDS = [f"{number}-{opening}" for number, (opening, _) in enumerate(CASES)]


def test_the_standard_lab_keeps_all_rules(lab_pod):
    check_pod(lab_pod, allowed=(), images=("spawnpenny/*",))


@pytest.mark.parametrize(("opening", "patch"), CASES, ids=IDS)
def test_what_no_setting_opens_is_refused_by_its_opening(lab_pod, opening, patch):
    pod = merge_patches(lab_pod, [("evil", patch)], base="lab")
    others = [word for word in OPENINGS if word != opening]
    with pytest.raises(HardeningError) as refused:
        check_pod(pod, allowed=others, images=("*",))
    assert to_paste(refused.value)["pods"]["allow"][-1].partition(":")[0] == opening


@pytest.mark.parametrize(("opening", "patch"), CASES, ids=IDS)
def test_what_a_setting_opens_passes(lab_pod, opening, patch):
    check_pod(merge_patches(lab_pod, [("kind", patch)], base="lab"), allowed=(opening,), images=("*",))


def test_the_table_has_every_opening():
    assert {opening for opening, _ in CASES} == set(OPENINGS)


@pytest.mark.parametrize(
    "patch",
    [
        spec(serviceAccountName="default", serviceAccount="default"),
        spec(priorityClassName="labs-system-like"),
        spec(tolerations=[{"key": "labs", "operator": "Exists"}]),
    ],
)
def test_what_looks_like_an_opening_and_is_none_passes(lab_pod, patch):
    check_pod(merge_patches(lab_pod, [("kind", patch)], base="lab"), allowed=(), images=("*",))


@pytest.mark.parametrize(
    ("path", "paths", "taken"),
    [
        ("/srv/scratch", [], True),
        ("/srv/scratch", ["/srv/scratch"], True),
        ("/srv/scratch/ada", ["/srv/scratch"], True),
        ("/srv/scratched", ["/srv/scratch"], False),
        ("/srv/scratch/../../etc", ["/srv/scratch"], False),
        ("/etc", ["/srv/scratch", "/data"], False),
        ("/etc", ["/"], True),
    ],
)
def test_folders_of_machines_are_those_that_the_settings_list(lab_pod, path, paths, taken):
    pod = merge_patches(lab_pod, [("kind", spec(volumes=[{"name": "v", "hostPath": {"path": path}}]))], base="lab")
    if taken:
        check_pod(pod, allowed=["hostPath"], images=("*",), host_paths=paths)
    else:
        with pytest.raises(HardeningError) as refused:
            check_pod(pod, allowed=["hostPath"], images=("*",), host_paths=paths)
        assert to_paste(refused.value)["pods"]["host_paths"] == [*paths, path]


@pytest.mark.parametrize("key", ["initContainers", "ephemeralContainers"])
def test_no_container_is_overlooked(lab_pod, key):
    bare = {"spec": {key: [{"name": "x", "image": "spawnpenny/lab"}]}}
    with pytest.raises(HardeningError, match="container x"):
        check_pod(merge_patches(lab_pod, [("evil", bare)], base="lab"), allowed=(), images=("*",))


@pytest.mark.parametrize("name", ["automountServiceAccountToken", "securityContext"])
def test_what_the_pod_does_not_say_is_not_taken_as_safe(lab_pod, name):
    pod = copy.deepcopy(lab_pod)
    del pod["spec"][name]
    with pytest.raises(HardeningError):
        check_pod(pod, allowed=(), images=("*",))


def test_a_container_may_take_back_nothing_of_the_pods_context(lab_pod):
    patch = {"spec": {"containers": [{"name": "notebook", "securityContext": {"runAsUser": 0}}]}}
    with pytest.raises(HardeningError, match="the container notebook runs as root"):
        check_pod(merge_patches(lab_pod, [("evil", patch)], base="lab"), allowed=(), images=("*",))


@pytest.mark.parametrize(
    ("image", "patterns", "taken"),
    [
        ("quay.io/jupyter/base:1", ["quay.io/jupyter/*"], True),
        ("quay.io/jupyter/base:1", ["nothing/*", "quay.io/*"], True),
        ("evil.org/quay.io/jupyter/base", ["quay.io/jupyter/*"], False),
        ("QUAY.io/jupyter/base", ["quay.io/*"], False),
        ("lab:2", ["lab:1"], False),
        ("lab", [], False),
    ],
)
@pytest.mark.parametrize("where", ["container", "volume"])
def test_an_image_matches_a_pattern_or_is_refused(lab_pod, where, image, patterns, taken):
    pod = copy.deepcopy(lab_pod)
    if where == "container":
        pod["spec"]["containers"][0]["image"] = image
    else:
        pod["spec"]["volumes"].append({"name": "v", "image": {"reference": image}})
        patterns = [*patterns, "spawnpenny/lab"]
    if taken:
        check_pod(pod, allowed=["imageVolume"], images=patterns)
    else:
        with pytest.raises(HardeningError, match=r"pods\.images"):
            check_pod(pod, allowed=["imageVolume"], images=patterns)


def test_a_setting_that_opens_nothing_is_refused_with_what_there_is():
    with pytest.raises(SettingsError, match="hostpath; there are hostNetwork"):
        check_openings(["hostPath", "hostpath"])
