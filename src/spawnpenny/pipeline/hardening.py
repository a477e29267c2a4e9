"""The rules that every pod of ours keeps, after all patches are merged; each opening is named in the settings.

The rules are those of the ``restricted`` Pod Security Standard
(kubernetes.io/docs/concepts/security/pod-security-standards, as of Kubernetes 1.34), and some more: no mounted account
token, no capability added, no sysctl, no SELinux type. What the standard asks of the pod's own security context is
asked of it also where every container says otherwise, and what only a container can say is not taken from the pod:
the API server drops it there without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from spawnpenny.cluster.port import Manifest
from spawnpenny.errors import HardeningError, SettingsError

OPENINGS: Final = (
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPath",
    "hostPort",
    "probeHost",
    "nfs",
    "otherVolume",
    "privileged",
    "privilegeEscalation",
    "capabilities",
    "root",
    "seccomp",
    "seLinux",
    "appArmor",
    "procMount",
    "sysctls",
    "hostProcess",
    "serviceAccountToken",
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
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


def check_openings(allowed: Sequence[str]) -> None:
    """Refuse a setting ``pods.allow`` that names what is no opening.

    Raises:
        SettingsError: Which, and what there is.

    """
    unknown = sorted(set(allowed) - set(OPENINGS))
    if unknown:
        raise SettingsError(f"pods.allow names {', '.join(unknown)}; there are {', '.join(OPENINGS)}.")


def check_pod(pod: Manifest, *, allowed: Sequence[str], images: Sequence[str]) -> None:
    """Refuse a pod that asks for more than the settings open.

    Raises:
        HardeningError: What it asks for, and the opening to name in ``pods.allow``, or the image that
            ``pods.images`` lacks.

    """
    for opening, what in asked(pod):
        if opening not in allowed:
            raise HardeningError(
                f"The pod asks for {what}, which the settings do not open. To open it, add {opening!r} to pods.allow."
            )
    for container in _containers(pod["spec"]):
        if not any(fnmatchcase(container["image"], pattern) for pattern in images):
            raise HardeningError(f"The image {container['image']} matches none of the patterns in pods.images.")


def asked(pod: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the openings that a pod asks for, each with what it is that it asks for."""
    spec: dict[str, Any] = pod["spec"]
    yield from _annotations(pod["metadata"].get("annotations") or {})
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key, f"the host's namespace ({key})"
    if spec.get("automountServiceAccountToken") is not False:
        yield "serviceAccountToken", "a mounted Kubernetes token"
    for volume in spec.get("volumes") or ():
        yield from _volume(volume)
    context: dict[str, Any] = spec.get("securityContext") or {}
    if context.get("sysctls"):
        yield "sysctls", "settings of the kernel (sysctls)"
    yield from _explicit(context, "the pod")
    for container in _containers(spec):
        yield from _container(container, context)


def _annotations(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in annotations.items():
        if key.startswith(_APPARMOR) and value != "runtime/default" and not value.startswith("localhost/"):
            yield "appArmor", f"the AppArmor profile {value!r}"


def _volume(volume: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for source in volume:
        if source != "name" and source not in _SAFE_VOLUMES:
            opening = source if source in {"hostPath", "nfs"} else "otherVolume"
            yield opening, f"a volume of the kind {source}"
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.keys() & {"serviceAccountToken", "podCertificate"}:
            yield "serviceAccountToken", "a mounted Kubernetes token"


def _container(container: dict[str, Any], of_pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    own: dict[str, Any] = container.get("securityContext") or {}
    name = f"the container {container['name']}"
    if own.get("privileged"):
        yield "privileged", f"privileges for {name}"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "privilegeEscalation", f"privilege escalation in {name}"
    capabilities = own.get("capabilities") or {}
    if capabilities.get("add") or "ALL" not in (capabilities.get("drop") or ()):
        yield "capabilities", f"Linux capabilities in {name}"
    if (own.get("procMount") or "Default") != "Default":
        yield "procMount", f"an unmasked /proc in {name}"
    yield from _reach(container, name)
    yield from _explicit(own, name)
    if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield "root", f"to run {name} as root"
    if not (own.get("seccompProfile") or of_pod.get("seccompProfile")):
        yield "seccomp", f"no seccomp profile for {name}"


def _reach(container: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield "hostPort", f"a port of the host for {name}"
    if any(_aims_elsewhere(handler) for handler in _handlers(container)):
        yield "probeHost", f"a probe or hook of {name} that goes to another host"


def _explicit(context: dict[str, Any], whose: str) -> Iterator[tuple[str, str]]:
    """Yield what a security context may say in no place, whatever others say."""
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "root", f"to run {whose} as root"
    for key, opening in (("seccompProfile", "seccomp"), ("appArmorProfile", "appArmor")):
        profile = context.get(key)
        if profile and profile.get("type") not in {"RuntimeDefault", "Localhost"}:
            yield opening, f"no {opening} profile for {whose}"
    if set(context.get("seLinuxOptions") or ()) - {"level"}:
        yield "seLinux", f"SELinux options for {whose}"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess", f"a process of the host in {whose}"


def _handlers(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    lifecycle = container.get("lifecycle") or {}
    for handler in (*(container.get(key) for key in _PROBES), lifecycle.get("postStart"), lifecycle.get("preStop")):
        yield handler or {}


def _aims_elsewhere(handler: dict[str, Any]) -> bool:
    return any((handler.get(action) or {}).get("host") for action in ("httpGet", "tcpSocket"))


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind) or ()
