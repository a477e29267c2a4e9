"""The status of a pod as a kubelet writes it: a function of the states of its containers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spawnpenny.embedded.api.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spawnpenny.kubernetes.interface import Manifest


@dataclass(slots=True)
class ContainerView:
    """The state of a container.

    Attributes:
        name: The name.
        image: The image.
        state: The state, as in a pod's status.
        last: The state before the last restart.
        restarts: The number of restarts.
        ready: The result of the readiness probe.
        settled: True once no restart follows.
        native: True for a native sidecar: an init container that runs beside the others once it has started.
        started: The result of the startup probe.

    """

    name: str
    image: str
    state: Manifest = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last: Manifest = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    settled: bool = False
    native: bool = False
    started: bool = False

    @property
    def exit_code(self) -> int | None:
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    @property
    def succeeded(self) -> bool:
        return self.settled and self.exit_code == 0

    @property
    def has_failed(self) -> bool:
        return self.settled and not self.succeeded

    @property
    def is_initialized(self) -> bool:
        """Return whether the containers after this init container may start."""
        return self.started if self.native else self.succeeded

    @property
    def has_run(self) -> bool:
        return "waiting" not in self.state or bool(self.last)

    def to_status(self) -> Manifest:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }


@dataclass(slots=True)
class PodView:
    """The parts from which the status of a pod is made."""

    inits: Sequence[ContainerView]
    containers: Sequence[ContainerView]
    host_ip: str
    pod_ip: str
    start_time: str
    unschedulable: str = ""
    """The reason why the pod cannot be scheduled."""
    failed: tuple[str, str] | None = None
    """Reason and message if the pod as a whole has failed."""
    conditions: dict[str, Manifest] = field(default_factory=dict)

    def to_status(self) -> Manifest:
        status: Manifest = {"phase": self._phase(), "conditions": self._conditions()}
        if self.unschedulable:
            return status
        status |= {
            "hostIP": self.host_ip,
            "podIP": self.pod_ip,
            "podIPs": [{"ip": self.pod_ip}],
            "startTime": self.start_time,
            "qosClass": "BestEffort",
            "containerStatuses": [view.to_status() for view in self.containers],
        }
        if self.inits:
            status["initContainerStatuses"] = [view.to_status() for view in self.inits]
        if self.failed is not None:
            status["reason"], status["message"] = self.failed
        return status

    def _phase(self) -> str:
        if self.failed is not None or any(view.has_failed for view in self.inits if not view.native):
            return "Failed"
        sidecars_run = any("running" in view.state for view in self.inits if view.native)
        if all(view.settled for view in self.containers) and not sidecars_run:
            return "Succeeded" if all(view.succeeded for view in self.containers) else "Failed"
        if self.unschedulable or not all(view.is_initialized for view in self.inits):
            return "Pending"
        return "Running" if any(view.has_run for view in self.containers) else "Pending"

    def _conditions(self) -> list[Manifest]:
        if self.unschedulable:
            return [self._condition("PodScheduled", self.unschedulable, "Unschedulable")]
        waiting = _named((view for view in self.inits if not view.is_initialized), "with incomplete status")
        sidecars = (view for view in self.inits if view.native)
        unready = _named((view for view in (*sidecars, *self.containers) if not view.ready), "with unready status")
        reason = "PodCompleted" if self._phase() == "Succeeded" else "ContainersNotReady"
        return [
            self._condition("Initialized", waiting, "ContainersNotInitialized"),
            self._condition("Ready", waiting or unready, reason),
            self._condition("ContainersReady", waiting or unready, reason),
            self._condition("PodScheduled", "", ""),
        ]

    def _condition(self, kind: str, fault: str, reason: str) -> Manifest:
        condition: Manifest = {"type": kind, "status": "False" if fault else "True"}
        if fault:
            condition |= {"reason": reason, "message": fault}
        before = self.conditions.get(kind)
        same = before is not None and before["status"] == condition["status"]
        condition["lastTransitionTime"] = before["lastTransitionTime"] if before and same else timestamp()
        self.conditions[kind] = condition
        return condition


def _named(views: Iterable[ContainerView], state: str) -> str:
    names = [view.name for view in views]
    return f"containers {state}: [{' '.join(names)}]" if names else ""
