"""The containers of a pod: the program's own, those that come before it, and those beside it.

A spawn's fate is that of one container, which the annotation ``spawnpenny.io/container`` names. Everything else in the
pod, whether the site put it there or a webhook did, never decides. A *native sidecar* is an init container with
``restartPolicy: Always`` (Kubernetes 1.29 and later): it starts before the program and runs beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain import labels

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest

Status = dict[str, Any]
"""One entry of ``status.containerStatuses`` or ``status.initContainerStatuses``."""

NOT_STARTED: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of a waiting container that the kubelet has not tried to start yet."""


def own_container(pod: Manifest) -> str:
    """Return the name of the container whose fate is the pod's.

    A pod without the annotation is one that no step made: its first container is taken, as kubectl does.
    """
    annotated: str | None = (pod["metadata"].get("annotations") or {}).get(labels.CONTAINER)
    if annotated:
        return annotated
    listed = pod.get("spec", {}).get("containers") or pod.get("status", {}).get("containerStatuses") or ()
    return next((str(container["name"]) for container in listed), "")


def own_spec(pod: Manifest) -> Mapping[str, Any]:
    """Return the pod's own container from its spec; empty if there is none of that name."""
    return _named(pod.get("spec", {}).get("containers"), own_container(pod))


def own_status(pod: Manifest) -> Status:
    """Return the status of the pod's own container; empty until a kubelet has reported one."""
    return _named(pod.get("status", {}).get("containerStatuses"), own_container(pod))


def own_end(pod: Manifest) -> Status | None:
    """Return the terminated state of the pod's own container, if it is not started again."""
    ended = state_of(own_status(pod), "terminated")
    return ended if ended is not None and not _is_started_again(pod, ended) else None


def blocking_init(pod: Manifest) -> Status:
    """Return the status of the init container that the program waits for; empty where it waits for none."""
    own = own_status(pod)
    waiting = state_of(own, "waiting")
    if own and (waiting is None or waiting.get("reason", "") not in NOT_STARTED):
        return {}
    statuses = pod.get("status", {}).get("initContainerStatuses") or ()
    specs = pod.get("spec", {}).get("initContainers") or statuses
    for spec in specs:
        status = _named(statuses, spec["name"])
        if not (_is_up(status) if is_native_sidecar(spec) else _has_succeeded(status)):
            return status
    return {}


def side_statuses(pod: Manifest) -> Iterator[Status]:
    """Yield the statuses of the containers that run beside the program, native sidecars first."""
    status = pod.get("status", {})
    native = {spec["name"] for spec in pod.get("spec", {}).get("initContainers") or () if is_native_sidecar(spec)}
    if native:
        yield from (entry for entry in status.get("initContainerStatuses") or () if entry["name"] in native)
    listed = status.get("containerStatuses") or ()
    if len(listed) > 1:
        own = own_container(pod)
        yield from (entry for entry in listed if entry["name"] != own)


def is_native_sidecar(spec: Mapping[str, Any]) -> bool:
    """Return whether an init container runs beside the program, rather than before it."""
    return spec.get("restartPolicy") == "Always"


def state_of(status: Status, state: str, *, last: bool = False) -> Status | None:
    """Return a container's ``waiting``, ``running`` or ``terminated``, or None where it is not in that state."""
    found: Status | None = (status.get("lastState" if last else "state") or {}).get(state)
    return found


def _is_started_again(pod: Manifest, ended: Status) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    spec, code = own_spec(pod), ended.get("exitCode", 0)
    if any(_matches(rule, code) for rule in spec.get("restartPolicyRules") or ()):
        return True
    policy: str = spec.get("restartPolicy") or pod.get("spec", {}).get("restartPolicy", "Always")
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _matches(rule: Mapping[str, Any], code: int) -> bool:
    """Return whether a container's own rule has it started again after an exit code (Kubernetes 1.34 and later)."""
    codes = rule.get("exitCodes") or {}
    values: Sequence[int] = codes.get("values") or ()
    matches = (code in values) if codes.get("operator") == "In" else (code not in values)
    return matches and str(rule.get("action", "")).startswith("Restart")


def _is_up(status: Status) -> bool:
    """Return whether a native sidecar has started, so that the next containers can."""
    return bool(status.get("started", state_of(status, "running") is not None))


def _has_succeeded(status: Status) -> bool:
    ended = state_of(status, "terminated")
    return ended is not None and ended.get("exitCode", 0) == 0


def _named(listed: Any, name: str) -> Status:
    for entry in listed or ():
        if entry["name"] == name:
            found: Status = entry
            return found
    return {}
