"""The pod security standards, as a table of their own, held against our pods and our hardening rules.

The table is https://kubernetes.io/docs/concepts/security/pod-security-standards as of Kubernetes 1.36, control by
control, with the fields and values that it names. Nothing here is taken from the hardening rules that it judges.
"""

from __future__ import annotations

import copy
import itertools
import re
from pathlib import Path

import pytest
import yaml

from spawnpenny.kubernetes.pods.security_standards import required_level
from spawnpenny.pipeline.errors import HardeningError
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.pipeline.pod_openings import OPENINGS, opening_level

ROOT = Path(__file__).parents[3]
LEVELS = ("privileged", "baseline", "restricted")
KINDS = ("containers", "initContainers", "ephemeralContainers")
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")

CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
    "secret",
}


def values_at(value, path):
    """Yield the values at a path, None where there is none; ``*`` is every entry of a list."""
    key, _, rest = path.partition(".")
    if key == "*":
        found = value or []
    elif key == "C":
        found = [container for kind in KINDS for container in value.get(kind) or []]
    else:
        found = [value.get(key) if isinstance(value, dict) else None]
    for one in found:
        yield from values_at(one, rest) if rest else [one]


def only(*paths, allowed):
    """Make a control: at these paths of the spec there are but these values, or none."""
    return lambda pod: all(value in allowed for path in paths for value in values_at(pod["spec"], path))


def apparmor_annotations(pod):
    prefix = "container.apparmor.security.beta.kubernetes.io/"
    found = [value for key, value in pod["metadata"].get("annotations", {}).items() if key.startswith(prefix)]
    return all(value in {"", "runtime/default"} or value.startswith("localhost/") for value in found)


def inherited(field, *, required):
    """Make a control: the pod or each container says so, and nobody says otherwise."""

    def control(pod):
        of_pod = next(values_at(pod["spec"], f"securityContext.{field}"))
        of_containers = list(values_at(pod["spec"], f"C.securityContext.{field}"))
        return of_pod in {None, *required} and all(
            value in required or (value is None and of_pod in required) for value in of_containers
        )

    return control


def in_user_namespace(control):
    """Make a control that does not hold for pods with a user namespace of their own."""
    return lambda pod: pod["spec"].get("hostUsers") is False or control(pod)


def everywhere(field):
    return f"securityContext.{field}", f"C.securityContext.{field}"


BASELINE = {
    "HostProcess": only(*everywhere("windowsOptions.hostProcess"), allowed={None, False}),
    "Host Namespaces": only("hostNetwork", "hostPID", "hostIPC", allowed={None, False}),
    "Privileged Containers": only("C.securityContext.privileged", allowed={None, False}),
    "Capabilities": only("C.securityContext.capabilities.add.*", allowed=CAPABILITIES),
    "HostPath Volumes": only("volumes.*.hostPath", allowed=(None,)),
    "Host Ports": only("C.ports.*.hostPort", allowed={None, 0}),
    "Host Probes / Lifecycle Hooks": only(
        *(f"C.{handler}.{action}.host" for handler in HANDLERS for action in ("httpGet", "tcpSocket")),
        allowed={None, ""},
    ),
    "AppArmor": lambda pod: (
        apparmor_annotations(pod)
        and only(*everywhere("appArmorProfile.type"), allowed={None, "RuntimeDefault", "Localhost"})(pod)
    ),
    "SELinux": lambda pod: (
        only(*everywhere("seLinuxOptions.type"), allowed={None, "", *SELINUX_TYPES})(pod)
        and only(*everywhere("seLinuxOptions.user"), *everywhere("seLinuxOptions.role"), allowed={None, ""})(pod)
    ),
    "/proc Mount Type": in_user_namespace(only("C.securityContext.procMount", allowed={None, "Default"})),
    "Seccomp": only(*everywhere("seccompProfile.type"), allowed={None, "RuntimeDefault", "Localhost"}),
    "Sysctls": only("securityContext.sysctls.*.name", allowed=SYSCTLS),
}
RESTRICTED = {
    "/proc Mount Type": only("C.securityContext.procMount", allowed={None, "Default"}),
    "Volume Types": lambda pod: all(VOLUMES & volume.keys() for volume in pod["spec"].get("volumes", [])),
    "Privilege Escalation": only("C.securityContext.allowPrivilegeEscalation", allowed={False}),
    "Running as Non-root": in_user_namespace(inherited("runAsNonRoot", required={True})),
    "Running as Non-root user": in_user_namespace(
        lambda pod: all(value != 0 for path in everywhere("runAsUser") for value in values_at(pod["spec"], path))
    ),
    "Seccomp (required)": inherited("seccompProfile.type", required={"RuntimeDefault", "Localhost"}),
    "Capabilities (dropped)": lambda pod: (
        all("ALL" in (drop or ()) for drop in values_at(pod["spec"], "C.securityContext.capabilities.drop"))
        and only("C.securityContext.capabilities.add.*", allowed={"NET_BIND_SERVICE"})(pod)
    ),
}
CONTROLS = {"privileged": {}, "baseline": BASELINE, "restricted": BASELINE | RESTRICTED}

OF_POD, OF_CONTAINER = "spec.securityContext", "spec.containers.0.securityContext"
VIOLATIONS = [
    ("HostProcess", f"{OF_POD}.windowsOptions", {"hostProcess": True}),
    ("HostProcess", f"{OF_CONTAINER}.windowsOptions", {"hostProcess": True}),
    ("Host Namespaces", "spec.hostNetwork", True),
    ("Host Namespaces", "spec.hostPID", True),
    ("Host Namespaces", "spec.hostIPC", True),
    ("Privileged Containers", f"{OF_CONTAINER}.privileged", True),
    ("Capabilities", f"{OF_CONTAINER}.capabilities.add", ["SYS_ADMIN"]),
    ("HostPath Volumes", "spec.volumes.0", {"name": "v", "hostPath": {"path": "/"}}),
    ("Host Ports", "spec.containers.0.ports.0.hostPort", 80),
    ("Host Probes / Lifecycle Hooks", "spec.containers.0.readinessProbe.httpGet.host", "10.0.0.1"),
    ("Host Probes / Lifecycle Hooks", "spec.containers.0.startupProbe", {"tcpSocket": {"host": "h", "port": 1}}),
    ("Host Probes / Lifecycle Hooks", "spec.containers.0.lifecycle", {"postStart": {"httpGet": {"host": "h"}}}),
    ("AppArmor", f"{OF_POD}.appArmorProfile", {"type": "Unconfined"}),
    ("AppArmor", f"{OF_CONTAINER}.appArmorProfile", {"type": "Unconfined"}),
    ("AppArmor", "metadata.annotations", {"container.apparmor.security.beta.kubernetes.io/notebook": "unconfined"}),
    ("AppArmor", "metadata.annotations", {"container.apparmor.security.beta.kubernetes.io/notebook": "other"}),
    ("SELinux", f"{OF_POD}.seLinuxOptions", {"type": "spc_t"}),
    ("SELinux", f"{OF_CONTAINER}.seLinuxOptions", {"user": "root"}),
    ("SELinux", f"{OF_CONTAINER}.seLinuxOptions", {"role": "sysadm_r"}),
    ("/proc Mount Type", f"{OF_CONTAINER}.procMount", "Unmasked"),
    ("Seccomp", f"{OF_POD}.seccompProfile", {"type": "Unconfined"}),
    ("Seccomp", f"{OF_CONTAINER}.seccompProfile", {"type": "Unconfined"}),
    ("Sysctls", f"{OF_POD}.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    ("Volume Types", "spec.volumes.0", {"name": "v", "nfs": {"server": "s", "path": "/"}}),
    ("Volume Types", "spec.volumes.0", {"name": "v", "iscsi": {}}),
    ("Privilege Escalation", f"{OF_CONTAINER}.allowPrivilegeEscalation", True),
    ("Privilege Escalation", f"{OF_CONTAINER}", {"capabilities": {"drop": ["ALL"]}}),
    ("Running as Non-root", f"{OF_POD}.runAsNonRoot", False),
    ("Running as Non-root", f"{OF_POD}.runAsNonRoot", None),
    ("Running as Non-root", f"{OF_CONTAINER}.runAsNonRoot", False),
    ("Running as Non-root user", f"{OF_POD}.runAsUser", 0),
    ("Running as Non-root user", f"{OF_CONTAINER}.runAsUser", 0),
    ("Seccomp (required)", f"{OF_POD}.seccompProfile", None),
    ("Capabilities (dropped)", f"{OF_CONTAINER}.capabilities", {"drop": ["KILL"]}),
    ("Capabilities (dropped)", f"{OF_CONTAINER}.capabilities", {"drop": ["ALL"], "add": ["CHOWN"]}),
]
COVERS = [
    (f"{OF_CONTAINER}.windowsOptions", {}),
    (f"{OF_CONTAINER}.seLinuxOptions", {}),
    (f"{OF_CONTAINER}.appArmorProfile", {"type": "RuntimeDefault"}),
    (f"{OF_CONTAINER}.seccompProfile", {"type": "RuntimeDefault"}),
    (f"{OF_CONTAINER}.runAsNonRoot", True),
    (f"{OF_CONTAINER}.runAsUser", 2001),
    (f"{OF_CONTAINER}.capabilities", {"drop": ["ALL"]}),
    (f"{OF_POD}.allowPrivilegeEscalation", False),
    (f"{OF_POD}.capabilities", {"drop": ["ALL"]}),
    ("spec.initContainers", [{"name": "i", "image": "i"}]),
    ("spec.ephemeralContainers", [{"name": "e", "image": "e"}]),
]
"""What may hide a violation from a check that looks at pod and containers together, or at some containers only."""
OF_USE = [
    ("", f"{OF_CONTAINER}.seLinuxOptions", {"type": "container_t"}),
    ("", f"{OF_POD}.sysctls", [{"name": "net.ipv4.tcp_rmem", "value": "1"}]),
    ("", "spec.automountServiceAccountToken", True),
    ("", "spec.volumes.0", {"name": "v", "image": {"reference": "x"}}),
    ("", "spec.serviceAccountName", "reader"),
    ("", "spec.priorityClassName", "system-node-critical"),
    ("", "spec.nodeName", "n1"),
    ("", "spec.tolerations", [{"operator": "Exists"}]),
    ("", "metadata.finalizers", ["example.org/hold"]),
]
"""What an opening is of use for at a level at which most of what it opens is refused."""
IDS = [f"{number}-{control}" for number, (control, _, _) in enumerate(VIOLATIONS)]


@pytest.fixture(scope="module")
def lab_pod():
    return yaml.safe_load((ROOT / "tests" / "pipeline" / "golden" / "pod.yaml").read_text())


def changed(pod, *changes):
    """Return the pod with values put at paths; None takes away."""
    pod = copy.deepcopy(pod)
    for path, value in changes:
        *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        place = pod
        for key in way:
            place = place[key] if isinstance(place, list) else place.setdefault(key, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(value)
    return pod


def violated(pod, level):
    return {name for name, holds in CONTROLS[level].items() if not holds(pod)}


def passes(pod, *openings):
    try:
        check_pod(pod, allowed=openings, images=("*",))
    except HardeningError:
        return False
    return True


def documented():
    """Return the level that the docs say is left with each opening."""
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    return dict(re.findall(r"^\| `(\w+)` \| `(privileged|baseline|restricted)` \|", text, re.MULTILINE))


def test_the_golden_lab_keeps_the_restricted_standard(lab_pod):
    assert violated(lab_pod, "restricted") == set()


@pytest.mark.parametrize("role", ["scheduler", "worker"])
@pytest.mark.parametrize("golden", ["plain", "everything"])
def test_the_pods_of_a_dask_cluster_keep_the_restricted_standard(golden, role):
    pods = yaml.safe_load((ROOT / "plugins" / "dask" / "tests" / "golden" / f"{golden}.yaml").read_text())
    assert violated(pods[role], "restricted") == set()


@pytest.mark.parametrize(("control", "path", "value"), VIOLATIONS, ids=IDS)
def test_each_violation_is_caught_by_its_control_and_refused_by_our_rules(lab_pod, control, path, value):
    pod = changed(lab_pod, (path, value))
    assert control in violated(pod, "restricted")
    assert not passes(pod)


def test_each_control_has_a_violation():
    assert {control for control, _, _ in VIOLATIONS} == CONTROLS["restricted"].keys()


def test_nothing_that_covers_a_violation_hides_it_from_our_rules(lab_pod):
    changes = [(path, value) for _, path, value in VIOLATIONS] + COVERS
    pods = [changed(lab_pod, *pair) for pair in itertools.permutations(changes, 2)]
    assert [violated(pod, "restricted") for pod in pods if passes(pod) and violated(pod, "restricted")] == []


def test_the_level_of_a_pod_is_that_of_the_table(lab_pod):
    variants = [
        ("spec.hostUsers", False),
        ("spec.hostUsers", True),
        ("spec.volumes.0", {"name": "v", "image": {"reference": "x"}}),
        (f"{OF_POD}.sysctls", [{"name": "net.ipv4.tcp_rmem", "value": "1"}]),
        (f"{OF_CONTAINER}.seLinuxOptions", {"type": "container_engine_t", "level": "s0"}),
        (f"{OF_CONTAINER}.capabilities", {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
        (f"{OF_CONTAINER}.capabilities", None),
    ]
    changes = [(path, value) for _, path, value in VIOLATIONS] + COVERS + variants
    pods = [lab_pod, *(changed(lab_pod, *pair) for pair in itertools.permutations(changes, 2))]
    strictest = ("restricted", "baseline", "privileged")
    wrong = [pod for pod in pods if required_level(pod) != next(at for at in strictest if not violated(pod, at))]
    assert wrong == []


@pytest.mark.parametrize("opening", OPENINGS)
def test_an_opening_has_the_strictest_level_at_which_it_is_of_use(lab_pod, opening):
    opened = [changed(lab_pod, (path, value)) for _, path, value in [*VIOLATIONS, *OF_USE]]
    levels = [required_level(pod) for pod in opened if not passes(pod) and passes(pod, opening)]
    assert max(levels, key=LEVELS.index) == opening_level(opening)


@pytest.mark.parametrize("opening", OPENINGS)
def test_an_opening_leaves_the_level_that_the_docs_say_and_no_stricter_one(lab_pod, opening):
    left = documented()[opening]
    opened = [changed(lab_pod, (path, value)) for _, path, value in VIOLATIONS]
    opened = [pod for pod in opened if passes(pod, opening)]
    assert [violated(pod, left) for pod in opened if violated(pod, left)] == []
    stricter = LEVELS[LEVELS.index(left) + 1 :][:1]
    assert all(any(violated(pod, level) for pod in opened) for level in stricter)


def test_every_opening_is_documented():
    assert list(documented()) == list(OPENINGS)
