"""The Pod Security Standards, as Kubernetes 1.36 evaluates them.

Source: the checks of k8s.io/pod-security-admission and kubernetes.io/docs/concepts/security/pod-security-standards.
Older releases are stricter about image volumes (before 1.33), user namespaces (1.35) and some sysctls (1.27, 1.29,
1.32), and laxer about the hosts of probes and hooks (1.34).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from spawnpenny.kubernetes.interface import Manifest

LEVELS: Final = ("restricted", "baseline", "privileged")
"""The levels, from the strictest on."""

BASELINE_CAPABILITIES: Final = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
_SYSCTLS: Final = frozenset(
    {
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
)
_SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"


def required_level(pod: Manifest) -> str:
    """Return the strictest level that accepts a pod: ``restricted``, ``baseline`` or ``privileged``."""
    return next(level for level in LEVELS if not violations(pod, level))


def strictest(*levels: str) -> str:
    """Return the strictest level that accepts every pod that one of these levels accepts."""
    return max(levels, key=LEVELS.index, default=LEVELS[0])


def violations(pod: Manifest, level: str) -> list[str]:
    """Return the names of the controls of a level that a pod breaks."""
    controls = {"restricted": {**_BASELINE, **_RESTRICTED}, "baseline": _BASELINE}.get(level, {})
    return [name for name, holds in controls.items() if not holds(pod)]


def containers(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all containers of a pod's spec: init containers, containers, ephemeral ones."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()


def images_of(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the images of a pod's spec, of containers and of volumes, each after the name of what has it."""
    for container in containers(spec):
        yield f"the container {container.get('name')}", str(container.get("image") or "")
    for volume in spec.get("volumes") or ():
        if "image" in volume:
            yield f"the volume {volume.get('name')}", str((volume["image"] or {}).get("reference") or "")


def handlers(container: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the probes and hooks of a container."""
    lifecycle = container.get("lifecycle") or {}
    for handler in (*(container.get(key) for key in _PROBES), lifecycle.get("postStart"), lifecycle.get("preStop")):
        yield handler or {}


def _context(part: Mapping[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = part.get("securityContext") or {}
    return context


def _contexts(pod: Manifest) -> Iterator[dict[str, Any]]:
    yield _context(pod["spec"])
    yield from _container_contexts(pod)


def _container_contexts(pod: Manifest) -> list[dict[str, Any]]:
    return [_context(container) for container in containers(pod["spec"])]


def _capabilities(pod: Manifest, key: str) -> list[list[str]]:
    return [(context.get("capabilities") or {}).get(key) or [] for context in _container_contexts(pod)]


def _has_user_namespace(pod: Manifest) -> bool:
    return pod["spec"].get("hostUsers") is False


def _is_windows(pod: Manifest) -> bool:
    return (pod["spec"].get("os") or {}).get("name") == "windows"


def _annotated_app_armor(pod: Manifest) -> bool:
    annotations = pod["metadata"].get("annotations") or {}
    profiles = [value for key, value in annotations.items() if key.startswith(APPARMOR_ANNOTATION)]
    return all(value in {"", "runtime/default"} or value.startswith("localhost/") for value in profiles)


def _app_armor(pod: Manifest) -> bool:
    profiles = [context.get("appArmorProfile") for context in _contexts(pod)]
    return _annotated_app_armor(pod) and all(
        profile is None or profile.get("type") in _PROFILES for profile in profiles
    )


def _se_linux(pod: Manifest) -> bool:
    options = [context.get("seLinuxOptions") or {} for context in _contexts(pod)]
    return all(
        (option.get("type") or "") in _SELINUX_TYPES and not option.get("user") and not option.get("role")
        for option in options
    )


def _seccomp(pod: Manifest) -> bool:
    profiles = [context.get("seccompProfile") for context in _contexts(pod)]
    return all(profile is None or profile.get("type") in _PROFILES for profile in profiles)


def _seccomp_set(pod: Manifest) -> bool:
    of_pod = _context(pod["spec"]).get("seccompProfile")
    return _is_windows(pod) or (
        _seccomp(pod) and all(of_pod or context.get("seccompProfile") for context in _container_contexts(pod))
    )


def _proc_mount_default(pod: Manifest) -> bool:
    return all((context.get("procMount") or "Default") == "Default" for context in _container_contexts(pod))


def _host_process(pod: Manifest) -> bool:
    return not any((context.get("windowsOptions") or {}).get("hostProcess") for context in _contexts(pod))


def _handlers_stay(pod: Manifest) -> bool:
    found = [handler for container in containers(pod["spec"]) for handler in handlers(container)]
    return not any((handler.get(action) or {}).get("host") for handler in found for action in ("httpGet", "tcpSocket"))


def _non_root(pod: Manifest) -> bool:
    of_pod = _context(pod["spec"]).get("runAsNonRoot")
    return _has_user_namespace(pod) or (
        of_pod is not False and all(context.get("runAsNonRoot", of_pod) is True for context in _container_contexts(pod))
    )


def _non_root_user(pod: Manifest) -> bool:
    return _has_user_namespace(pod) or not any(context.get("runAsUser") == 0 for context in _contexts(pod))


def _drops_all(pod: Manifest) -> bool:
    return _is_windows(pod) or (
        all("ALL" in drop for drop in _capabilities(pod, "drop"))
        and all(name == "NET_BIND_SERVICE" for add in _capabilities(pod, "add") for name in add)
    )


_Control = Callable[[Manifest], bool]
_BASELINE: Final[Mapping[str, _Control]] = {
    "HostProcess": _host_process,
    "Host Namespaces": lambda pod: not any(pod["spec"].get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
    "Privileged Containers": lambda pod: not any(context.get("privileged") for context in _container_contexts(pod)),
    "Capabilities": lambda pod: all(name in BASELINE_CAPABILITIES for add in _capabilities(pod, "add") for name in add),
    "HostPath Volumes": lambda pod: all(volume.get("hostPath") is None for volume in pod["spec"].get("volumes") or ()),
    "Host Ports": lambda pod: (
        not any(port.get("hostPort") for container in containers(pod["spec"]) for port in container.get("ports") or ())
    ),
    "Host Probes / Lifecycle Hooks": _handlers_stay,
    "AppArmor": _app_armor,
    "SELinux": _se_linux,
    "/proc Mount Type": lambda pod: _has_user_namespace(pod) or _proc_mount_default(pod),
    "Seccomp": _seccomp,
    "Sysctls": lambda pod: all(sysctl.get("name") in _SYSCTLS for sysctl in _context(pod["spec"]).get("sysctls") or ()),
}
_RESTRICTED: Final[Mapping[str, _Control]] = {
    "/proc Mount Type (restricted)": _proc_mount_default,
    "Volume Types": lambda pod: all(_VOLUMES & volume.keys() for volume in pod["spec"].get("volumes") or ()),
    "Privilege Escalation": lambda pod: (
        _is_windows(pod)
        or all(context.get("allowPrivilegeEscalation") is False for context in _container_contexts(pod))
    ),
    "Running as Non-root": _non_root,
    "Running as Non-root user": _non_root_user,
    "Seccomp (required)": _seccomp_set,
    "Capabilities (dropped)": _drops_all,
}
