"""Check the pod security levels of user namespaces and of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.finding import Finding, failure, few, ok, warning
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment
    from spawnpenny.kubernetes.interface import Manifest

_PREFIX: Final = "pod-security.kubernetes.io/"
_LEVEL: Final = f"{_PREFIX}enforce"
_VERSION: Final = f"{_PREFIX}enforce-version"
_STRICTEST: Final = "restricted"
_AS_MADE: Final = "Set the level of the deployment's base: kubectl label --overwrite namespace"


async def check_pod_security(deployment: Deployment) -> list[Finding]:
    """Compare the levels of user namespaces with the broker's setting, and check that our own namespaces have one."""
    found = [*await _of_users(deployment), *await _of_our_own(deployment)]
    level = deployment.settings.broker.pod_security
    return found or [
        ok(f"All user namespaces have the pod security level {level}, and our own namespaces have theirs.")
    ]


async def _of_users(deployment: Deployment) -> list[Finding]:
    level, namespaces = deployment.settings.broker.pod_security, await deployment.user_namespaces()
    found = []
    if wrong := [
        f"{_name(namespace)} ({_label(namespace, _LEVEL) or 'none'})"
        for namespace in namespaces
        if _is_other(namespace, level)
    ]:
        found.append(
            failure(
                f"The pod security level of user namespaces is not {level}: {few(sorted(wrong))}.",
                f"kubectl label --overwrite namespace NAMESPACE {_LEVEL}={level} "
                f"{_PREFIX}warn={level}, or change broker.pod_security.",
            )
        )
    if old := [f"{_name(namespace)} ({_label(namespace, _VERSION)})" for namespace in namespaces if _is_old(namespace)]:
        found.append(
            failure(
                f"The pod security level of user namespaces is the one of an old Kubernetes: {few(sorted(old))}.",
                f"kubectl label namespace NAMESPACE {_VERSION}-",
            )
        )
    return found


async def _of_our_own(deployment: Deployment) -> list[Finding]:
    found = []
    for name in deployment.namespaces:
        namespace_found = await deployment.cluster.read(Ref(resource_of("Namespace"), name))
        if namespace_found is not None:
            found += _of_one(namespace_found, deployment)
    return found


def _of_one(namespace: Manifest, deployment: Deployment) -> list[Finding]:
    name, level, spaces = _name(namespace), _label(namespace, _LEVEL), deployment.settings.namespaces
    usual = "baseline" if name == spaces.provision else _STRICTEST
    do = f"{_AS_MADE} {name} {_LEVEL}={usual}"
    if not level:
        return [failure(f"The namespace {name} has no pod security level: Kubernetes accepts any pod in it.", do)]
    if _is_old(namespace):
        message = (
            f"The pod security level of the namespace {name} is the one of an old Kubernetes "
            f"({_label(namespace, _VERSION)})."
        )
        return [failure(message, f"kubectl label namespace {name} {_VERSION}-")]
    if level == _STRICTEST or name == spaces.provision:
        return []
    message = f"The namespace {name} has the pod security level {level}, not {_STRICTEST}."
    return [failure(message, do) if name == spaces.state else warning(message, f"{do}, unless this is intended.")]


def _is_other(namespace: Manifest, level: str) -> bool:
    return _label(namespace, _LEVEL) != level


def _is_old(namespace: Manifest) -> bool:
    return _label(namespace, _VERSION) not in {"", "latest"}


def _name(namespace: Manifest) -> str:
    name: str = namespace["metadata"]["name"]
    return name


def _label(namespace: Manifest, key: str) -> str:
    value: str = (namespace["metadata"].get("labels") or {}).get(key, "")
    return value
