"""Openings in the hardening rules: the words for ``pods.allow`` that a pod needs.

The rules are those of the ``restricted`` Pod Security Standard and some more: no mounted account token, no account but
``default``, no capability added, no sysctl, no SELinux type, no volume of an image, no place taken from others, no
finalizer. What the standard requires of the pod's own security context is required of it also
where every container says otherwise, and what only a container can say is not taken from the pod: the API server drops
it there without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.security_standards import (
    APPARMOR_ANNOTATION,
    BASELINE_CAPABILITIES,
    containers,
    handlers,
)

OPENINGS: Final[Mapping[str, str]] = {
    "hostNetwork": "privileged",
    "hostPID": "privileged",
    "hostIPC": "privileged",
    "hostPath": "privileged",
    "hostPort": "privileged",
    "probeHost": "privileged",
    "nfs": "baseline",
    "imageVolume": "restricted",
    "otherVolume": "baseline",
    "privileged": "privileged",
    "privilegeEscalation": "baseline",
    "capabilities": "baseline",
    "root": "baseline",
    "seccomp": "baseline",
    "seLinux": "restricted",
    "appArmor": "privileged",
    "procMount": "privileged",
    "sysctls": "restricted",
    "hostProcess": "privileged",
    "serviceAccountToken": "restricted",
    "serviceAccount": "restricted",
    "systemPriority": "restricted",
    "nodeName": "restricted",
    "everyTaint": "restricted",
    "finalizers": "restricted",
}
"""Each opening, and the strictest Pod Security level at which Kubernetes takes any pod that needs it.

That is without user namespaces (``hostUsers: false``): with one, ``restricted`` takes root, and ``baseline`` procMount.
"""

CAPABILITY: Final = "capabilities:"
"""Begins the opening of one capability, such as ``capabilities:CHOWN``."""
CAPABILITIES: Final = (
    *BASELINE_CAPABILITIES,
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "DAC_READ_SEARCH",
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "NET_ADMIN",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
)
_SAFE_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_KINDS_WITH_OPENING: Final = {"nfs": "nfs", "image": "imageVolume"}
_TARGETS: Final = ("httpGet", "tcpSocket")
_SYSTEM: Final = "system-"
_OF_KUBERNETES: Final = "kubernetes.io/pvc-protection"


@dataclass(frozen=True, slots=True)
class Opening:
    """One word for ``pods.allow``, and what of the pod needs it; ``path`` is that of a ``hostPath`` volume."""

    word: str
    reason: str
    path: str | None = None


def check_openings(allowed: Sequence[str]) -> None:
    """Refuse a setting ``pods.allow`` that names something other than openings.

    Raises:
        SettingsError: Which word is wrong, and what would be right.

    """
    unknown = sorted({word for word in allowed if not is_opening(word)})
    if not unknown:
        return
    known = [*OPENINGS, *(f"{CAPABILITY}{name}" for name in CAPABILITIES)]
    nearest = {word: difflib.get_close_matches(word.replace(":CAP_", ":"), known, n=1) for word in unknown}
    hints = " ".join(f"Did you mean {found[0]} for {word}?" for word, found in nearest.items() if found)
    raise SettingsError(
        f"pods.allow names {', '.join(unknown)}; there are {', '.join(OPENINGS)}, and for one capability "
        f"{CAPABILITY}CHOWN and the like.{f' {hints}' if hints else ''}"
    )


def is_opening(word: str) -> bool:
    """Return whether there is such an opening."""
    return word in OPENINGS or (word.startswith(CAPABILITY) and word.removeprefix(CAPABILITY) in CAPABILITIES)


def is_open(word: str, allowed: Collection[str]) -> bool:
    """Return whether ``pods.allow`` has a word; ``capabilities`` opens every capability."""
    return word in allowed or (word.startswith(CAPABILITY) and "capabilities" in allowed)


def opening_level(word: str) -> str:
    """Return the strictest Pod Security level at which Kubernetes takes any pod that needs an opening."""
    if not word.startswith(CAPABILITY):
        return OPENINGS[word]
    name = word.removeprefix(CAPABILITY)
    if name == "NET_BIND_SERVICE":
        return "restricted"
    return "baseline" if name in BASELINE_CAPABILITIES else "privileged"


def pod_openings(pod: Manifest) -> Iterator[Opening]:
    """Yield the openings that a pod needs, whether the settings have them or not."""
    spec: dict[str, Any] = pod["spec"]
    yield from _annotations(pod["metadata"].get("annotations") or {})
    finalizers = [finalizer for finalizer in pod["metadata"].get("finalizers") or () if finalizer != _OF_KUBERNETES]
    if finalizers:
        yield Opening("finalizers", f"the pod has finalizers ({', '.join(finalizers)})")
    for key, what in (
        ("hostNetwork", "uses the network"),
        ("hostPID", "sees the processes"),
        ("hostIPC", "shares the memory"),
    ):
        if spec.get(key):
            yield Opening(key, f"the pod {what} of its machine ({key})")
    if spec.get("automountServiceAccountToken") is not False:
        yield Opening("serviceAccountToken", "the pod mounts a token of the Kubernetes API")
    yield from _account_and_place(spec)
    for volume in spec.get("volumes") or ():
        yield from _volume(volume)
    context: dict[str, Any] = spec.get("securityContext") or {}
    if context.get("sysctls"):
        names = ", ".join(str(sysctl.get("name")) for sysctl in context["sysctls"])
        yield Opening("sysctls", f"the pod sets kernel parameters ({names})")
    yield from _explicit(context, "the pod")
    for container in containers(spec):
        yield from _container(container, context)


def _annotations(annotations: Mapping[str, str]) -> Iterator[Opening]:
    for key, value in annotations.items():
        if key.startswith(APPARMOR_ANNOTATION) and value != "runtime/default" and not value.startswith("localhost/"):
            name = key.removeprefix(APPARMOR_ANNOTATION)
            yield Opening("appArmor", f"the container {name} has the AppArmor profile {value!r}")


def _account_and_place(spec: Mapping[str, Any]) -> Iterator[Opening]:
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    if account != "default":
        yield Opening("serviceAccount", f"the pod runs as the service account {account}")
    priority = spec.get("priorityClassName") or ""
    if priority.startswith(_SYSTEM):
        yield Opening("systemPriority", f"the pod has the priority class {priority} of the system")
    if spec.get("nodeName"):
        yield Opening("nodeName", f"the pod names its node, {spec['nodeName']}")
    if any(not toleration.get("key") for toleration in spec.get("tolerations") or ()):
        yield Opening("everyTaint", "the pod tolerates every taint (a toleration without a key)")


def _volume(volume: dict[str, Any]) -> Iterator[Opening]:
    name = f"the volume {volume.get('name')}"
    for source, value in volume.items():
        if source == "hostPath":
            path = str((value or {}).get("path"))
            yield Opening(source, f"{name} is the folder {path} of the machine (hostPath)", path)
        elif source != "name" and source not in _SAFE_VOLUMES:
            yield Opening(_KINDS_WITH_OPENING.get(source, "otherVolume"), f"{name} is of the kind {source}")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.keys() & {"serviceAccountToken", "podCertificate"}:
            yield Opening("serviceAccountToken", f"{name} has a token of the Kubernetes API")


def _container(container: dict[str, Any], of_pod: dict[str, Any]) -> Iterator[Opening]:
    own: dict[str, Any] = container.get("securityContext") or {}
    name = f"the container {container['name']}"
    if own.get("privileged"):
        yield Opening("privileged", f"{name} is privileged")
    if own.get("allowPrivilegeEscalation") is not False:
        yield Opening("privilegeEscalation", f"{name} may gain privileges (allowPrivilegeEscalation is not false)")
    yield from _capabilities(own.get("capabilities") or {}, name)
    if (own.get("procMount") or "Default") != "Default":
        yield Opening("procMount", f"{name} has an unmasked /proc (procMount)")
    yield from _network(container, name)
    yield from _explicit(own, name)
    if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) not in {True, False}:
        yield Opening("root", f"{name} may run as root (runAsNonRoot is not true)")
    if not (own.get("seccompProfile") or of_pod.get("seccompProfile")):
        yield Opening("seccomp", f"{name} has no seccomp profile")


def _capabilities(capabilities: Mapping[str, Any], name: str) -> Iterator[Opening]:
    for added in capabilities.get("add") or ():
        word = f"{CAPABILITY}{added}" if added in CAPABILITIES else "capabilities"
        yield Opening(word, f"{name} has the Linux capability {added}")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield Opening("capabilities", f"{name} keeps the usual Linux capabilities (it does not drop ALL)")


def _network(container: dict[str, Any], name: str) -> Iterator[Opening]:
    ports = [str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")]
    if ports:
        yield Opening("hostPort", f"{name} takes the port {', '.join(ports)} of its machine")
    if any((handler.get(action) or {}).get("host") for handler in handlers(container) for action in _TARGETS):
        yield Opening("probeHost", f"a probe or hook of {name} goes to another host")


def _explicit(context: dict[str, Any], name: str) -> Iterator[Opening]:
    """Yield what no security context may say, whatever the others say."""
    if context.get("runAsUser") == 0:
        yield Opening("root", f"{name} runs as root (runAsUser: 0)")
    elif context.get("runAsNonRoot") is False:
        yield Opening("root", f"{name} may run as root (runAsNonRoot: false)")
    for key, opening, title in (
        ("seccompProfile", "seccomp", "seccomp"),
        ("appArmorProfile", "appArmor", "AppArmor"),
    ):
        profile = context.get(key)
        if profile and profile.get("type") not in {"RuntimeDefault", "Localhost"}:
            yield Opening(opening, f"{name} has the {title} profile {profile.get('type')}")
    options = sorted(set(context.get("seLinuxOptions") or ()) - {"level"})
    if options:
        yield Opening("seLinux", f"{name} sets SELinux options ({', '.join(options)})")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield Opening("hostProcess", f"{name} is a process of its Windows machine (hostProcess)")
