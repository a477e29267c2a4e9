"""The rules that every pod of ours keeps, after all patches are merged; each opening is named in the settings.

The rules are those of the ``restricted`` Pod Security Standard
(kubernetes.io/docs/concepts/security/pod-security-standards), and no mounted account token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    for opening, what in _asked(pod):
        if opening not in allowed:
            raise HardeningError(
                f"The pod asks for {what}, which the settings do not open. To open it, add {opening!r} to pods.allow."
            )
    for container in _containers(pod["spec"]):
        if not any(fnmatchcase(container["image"], pattern) for pattern in images):
            raise HardeningError(f"The image {container['image']} matches none of the patterns in pods.images.")


def _asked(pod: Manifest) -> Iterator[tuple[str, str]]:
    spec: dict[str, Any] = pod["spec"]
    annotations = pod["metadata"].get("annotations", {})
    if any(key.startswith(_APPARMOR) and annotations[key] == "unconfined" for key in annotations):
        yield "appArmor", "no AppArmor profile"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key, f"the host's namespace ({key})"
    if spec.get("automountServiceAccountToken") is not False:
        yield "serviceAccountToken", "a mounted Kubernetes token"
    for volume in spec.get("volumes", ()):
        yield from _volume(volume)
    if spec.get("securityContext", {}).get("sysctls"):
        yield "sysctls", "settings of the kernel (sysctls)"
    for container in _containers(spec):
        yield from _container(container, spec.get("securityContext", {}))


def _volume(volume: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for source in volume:
        if source != "name" and source not in _SAFE_VOLUMES:
            opening = source if source in {"hostPath", "nfs"} else "otherVolume"
            yield opening, f"a volume of the kind {source}"
    for source in volume.get("projected", {}).get("sources", ()):
        if "serviceAccountToken" in source:
            yield "serviceAccountToken", "a mounted Kubernetes token"


def _container(container: dict[str, Any], pod_context: dict[str, Any]) -> Iterator[tuple[str, str]]:
    context = {**pod_context, **container.get("securityContext", {})}
    name = container["name"]
    if context.get("privileged"):
        yield "privileged", f"a privileged container {name}"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "privilegeEscalation", f"privilege escalation in the container {name}"
    capabilities = context.get("capabilities", {})
    if capabilities.get("add") or "ALL" not in capabilities.get("drop", ()):
        yield "capabilities", f"Linux capabilities in the container {name}"
    if context.get("runAsUser") == 0 or (context.get("runAsNonRoot") is not True and not context.get("runAsUser")):
        yield "root", f"to run the container {name} as root"
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "seccomp", f"no seccomp profile for the container {name}"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "hostPort", f"a port of the host for the container {name}"
    yield from _confinement(context, name)


def _confinement(context: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    if set(context.get("seLinuxOptions", {})) - {"level"}:
        yield "seLinux", f"SELinux options for the container {name}"
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "appArmor", f"no AppArmor profile for the container {name}"
    if context.get("procMount", "Default") != "Default":
        yield "procMount", f"an unmasked /proc in the container {name}"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess", f"a process of the host in the container {name}"


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from spec.get("initContainers", ())
    yield from spec.get("containers", ())
    yield from spec.get("ephemeralContainers", ())
