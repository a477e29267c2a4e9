"""Behaviours of pods on a hollow node: the statuses that a kubelet would report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.kubernetes.interface import Manifest


class Behaviour(Protocol):
    """The behaviour of a pod. ``scheduled`` says whether it gets a node at all."""

    @property
    def scheduled(self) -> bool: ...

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        """Yield the pod's statuses one after the other, without end if need be."""
        ...


@dataclass(frozen=True, slots=True)
class Ready:
    """All containers run and are ready at once."""

    scheduled: bool = True

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        state = {"running": {"startedAt": _now()}}
        yield make_status(pod, "Running", state, ready=True)


@dataclass(frozen=True, slots=True)
class Succeed:
    """All containers end at once with exit code 0."""

    scheduled: bool = True

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        yield make_status(pod, "Succeeded", terminated(0))


@dataclass(frozen=True, slots=True)
class Fail:
    """All containers end at once, and for good; an ``OOMKilled`` one has exit code 137."""

    exit_code: int = 1
    reason: str = "Error"
    message: str = ""
    scheduled: bool = True

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        yield make_status(pod, "Failed", terminated(self.exit_code, self.reason, self.message))


@dataclass(frozen=True, slots=True)
class Hold:
    """The pod has its node and comes no further."""

    scheduled: bool = True

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        yield make_status(pod, "Pending", _waiting("ContainerCreating"))


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """No node has room for the pod."""

    message: str = "0/1 nodes are available: 1 Insufficient cpu."
    scheduled: bool = False

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        condition = _condition("PodScheduled", met=False)
        yield {
            "phase": "Pending",
            "conditions": [condition | {"reason": "Unschedulable", "message": self.message}],
        }


@dataclass(frozen=True, slots=True)
class PullError:
    """The image cannot be pulled: ``reason``, a back-off, another try, and so on."""

    message: str = "image not found"
    reason: str = "ErrImagePull"
    scheduled: bool = True

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        image = pod["spec"]["containers"][0]["image"]
        tries = ((self.reason, self.message), ("ImagePullBackOff", f'Back-off pulling image "{image}"'))
        for reason, message in cycle(tries):
            yield make_status(pod, "Pending", _waiting(reason, message))


@dataclass(frozen=True, slots=True)
class Crash:
    """The containers end as soon as they start, and are started again and again."""

    exit_code: int = 1
    message: str = ""
    scheduled: bool = True

    def statuses(self, pod: Manifest) -> Iterator[Manifest]:
        ended = terminated(self.exit_code, "Error", self.message)
        yield make_status(pod, "Running", ended)
        for restarts in count(1):
            waiting = _waiting("CrashLoopBackOff", "back-off restarting failed container")
            yield make_status(pod, "Running", waiting, restarts=restarts, last=ended)


def terminated(exit_code: int, reason: str = "", message: str = "") -> Manifest:
    """Make the state of a container that has ended."""
    state = {
        "exitCode": exit_code,
        "reason": reason or ("Error" if exit_code else "Completed"),
        "startedAt": _now(),
        "finishedAt": _now(),
    }
    return {"terminated": state | ({"message": message} if message else {})}


def make_status(
    pod: Manifest,
    phase: str,
    state: Manifest,
    *,
    ready: bool = False,
    restarts: int = 0,
    last: Manifest | None = None,
) -> Manifest:
    """Make the status of a pod that has its node, with all its containers in one state."""
    started = phase != "Pending"
    common = {
        "ready": ready,
        "restartCount": restarts,
        "lastState": last or {},
        "started": "running" in state,
    }
    met = {"Initialized": started, "Ready": ready, "ContainersReady": ready, "PodScheduled": True}
    return {
        "phase": phase,
        "startTime": pod.get("status", {}).get("startTime") or _now(),
        "conditions": [_condition(kind, met=value) for kind, value in met.items()],
        "initContainerStatuses": [
            _init(container, state, common, started=started) for container in pod["spec"].get("initContainers", ())
        ],
        "containerStatuses": [_container(container, state, common) for container in pod["spec"]["containers"]],
    }


def _init(container: Manifest, state: Manifest, common: Manifest, *, started: bool) -> Manifest:
    """Make the status of an init container: done when the others begin, or running on beside them."""
    fresh = common | {"ready": started, "lastState": {}, "restartCount": 0}
    if started and container.get("restartPolicy") == "Always" and "terminated" not in state:
        return _container(container, {"running": {"startedAt": _now()}}, fresh | {"started": True})
    return _container(container, terminated(0) if started else state, fresh)


def _container(container: Manifest, state: Manifest, common: Manifest) -> Manifest:
    return {"name": container["name"], "image": container["image"], "imageID": "", "state": state} | common


def _condition(kind: str, *, met: bool) -> dict[str, Any]:
    return {"type": kind, "status": "True" if met else "False", "lastTransitionTime": _now()}


def _waiting(reason: str, message: str = "") -> Manifest:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
