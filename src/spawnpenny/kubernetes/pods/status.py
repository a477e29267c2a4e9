"""Read the state of a pod from its PodStatus: its own container decides.

``pods.containers`` says which container that is. ``pods.troubles``, ``pods.placement`` and ``pods.disruption`` word
the causes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.containers import Status, blocking_init, own_end, own_status, side_statuses, state_of
from spawnpenny.kubernetes.pods.disruption import NODE_LOST, cluster_cause, condition, is_node_lost, unmet_gate
from spawnpenny.kubernetes.pods.errors import (
    NodeLostError,
    PodEndedError,
    PodGoneError,
    ProgramEndedError,
    SchedulingGatedError,
)
from spawnpenny.kubernetes.pods.placement import placement_error, reasons_of
from spawnpenny.kubernetes.pods.troubles import (
    Quote,
    Trouble,
    container_end,
    container_trouble,
    end_of,
    hook_failure,
    quoted,
)

MANY_CRASHES: Final = 5
"""After so many ends of its program a pod that ran is given up: the kubelet then pauses for minutes between starts."""
_ENDED: Final = frozenset({"Succeeded", "Failed"})
_NOT_RUNNING: Final = _ENDED | {"Unknown"}
_FORGIVEN_AFTER: Final = 600.0
"""Seconds after which the kubelet forgets earlier ends, and pauses only shortly again."""
_ENDED_WELL: Final = "The program in the pod ended by itself (exit code 0)."
_NOT_PLACED: Final = frozenset({"Unschedulable", "SchedulerError"})
_SKEW: Final = 60.0
"""Seconds by which two times in a status may differ though they belong to one event."""


def _as_it_is(text: str) -> str:
    return text


def is_ready(pod: Manifest) -> bool:
    """Return whether the pod's own container is ready; only containers beside it may be unready."""
    status = pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"] or status.get("phase") in _NOT_RUNNING:
        return False
    ready = condition(pod, "Ready").get("status") == "True"
    own = own_status(pod)
    if not own or ready:
        return ready
    # The kubelet has not found all containers ready. Where it has, a readiness gate or a lost machine is the cause.
    return (
        bool(own.get("ready"))
        and status.get("reason") != NODE_LOST
        and condition(pod, "ContainersReady").get("status") != "True"
        and unmet_gate(pod) is None
    )


def is_over(pod: Manifest) -> bool:
    """Return whether the pod's own container, or the whole pod, has ended for good."""
    return _phase(pod) in _ENDED or own_end(pod) is not None


def is_lost(pod: Manifest) -> bool:
    """Return whether a pod that was ready will not be ready again by itself.

    It is over, its program fails again and again, or it is deleted and its machine does not answer.
    """
    if is_over(pod):
        return True
    if is_ready(pod):
        return False
    if "deletionTimestamp" in pod["metadata"] and is_node_lost(pod):
        return True
    own = own_status(pod)
    if state_of(own, "running") is not None:  # it may be busy; earlier ends, maybe long ago, say nothing of that
        return False
    return crashes(pod) >= MANY_CRASHES and not _ran_long(own)


def is_deleted(pod: Manifest) -> bool:
    """Return whether a pod is being deleted: it is never ready again, however long its grace period lasts."""
    return "deletionTimestamp" in pod["metadata"]


def has_succeeded(pod: Manifest) -> bool:
    """Return whether the pod's own container has ended with exit code 0, whatever those beside it do.

    A program that the cluster ended has not succeeded: many end with 0 when they are asked to end.
    """
    ended = own_end(pod)
    if ended is None:
        return _phase(pod) == "Succeeded"
    return ended.get("exitCode") == 0 and cluster_cause(pod, quoted) is None and not _was_deleted_before(pod, ended)


def crashes(pod: Manifest) -> int:
    """Return how many times the pod's own container has ended and was to be started again."""
    return _ends(own_status(pod))


def failed_starts(pod: Manifest) -> int:
    """Return how many times the container that a start waits for has ended: the program, or an init container."""
    return _ends(blocking_init(pod) or own_status(pod))


def has_started(pod: Manifest) -> bool:
    """Return whether the machine has set the pod up: one of its containers runs, or has run."""
    status = pod.get("status", {})
    listed = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return any(state_of(entry, state) is not None for entry in listed for state in ("running", "terminated"))


def trouble(pod: Manifest, *, quote: Quote | None = _as_it_is) -> Trouble | None:
    """Return what keeps a pod from being ready, if anything is wrong with it; for ``quote`` see ``ending``."""
    if is_deleted(pod):
        return Trouble(deletion(pod))
    placed = condition(pod, "PodScheduled")
    if placed.get("status") == "False" and placed.get("reason") in _NOT_PLACED:
        message = placed.get("message") or ""
        error = placement_error(message, shown=quoted(reasons_of(message), otherwise="no more is known"))
        return Trouble(error, placing=True)
    if placed.get("status") == "False" and placed.get("reason") == "SchedulingGated":
        return Trouble(_gated(pod), placing=True)
    if _is_outdated(pod):
        return _lost_machine(pod)
    found = container_trouble(
        blocking_init(pod) or own_status(pod),
        quote=quote,
        pull_secrets=bool(pod.get("spec", {}).get("imagePullSecrets")),
    )
    if found is not None:
        return found
    return _lost_machine(pod)


def side_troubles(pod: Manifest) -> Iterator[tuple[str, SpawnError]]:
    """Yield the name of each container in trouble beside the program, and why. They decide nothing."""
    for status in side_statuses(pod):
        found = container_trouble(status, quote=None)
        if found is not None:
            yield status["name"], found.error


def ending(pod: Manifest, *, quote: Quote | None = _as_it_is) -> SpawnError:
    """Word why a pod that is over, or lost, has ended.

    The last output of its program is added, if the cluster has kept it. ``quote`` removes secrets from it; None
    leaves it out.
    """
    if (cause := cluster_cause(pod, quoted)) is not None:
        return cause
    if "deletionTimestamp" in pod["metadata"]:  # the end of its program only follows from that
        return deletion(pod)
    status = blocking_init(pod) or own_status(pod)
    waiting, ended = state_of(status, "waiting") or {}, end_of(status)
    if waiting.get("reason") == "PostStartHookError":
        return hook_failure(status["name"], quote(waiting.get("message") or "") if quote else "")
    stale = state_of(status, "running") is not None  # the cluster gave the pod up, and no kubelet reported its end
    if _phase(pod) == "Failed" and (ended is None or stale):
        return PodEndedError("The pod has failed, and the cluster does not say why.")
    error = container_end(status.get("name", ""), ended or {}, quote=quote)
    return ProgramEndedError(_ENDED_WELL, exit_code=0) if isinstance(error, ProgramEndedError) else error


def deletion(pod: Manifest | None) -> SpawnError:
    """Word why a pod was deleted from outside, as far as its last state says."""
    if pod is not None:
        if (cause := cluster_cause(pod, quoted)) is not None:
            return cause
        if is_node_lost(pod):
            return NodeLostError("Its machine did not answer, and the cluster gave the pod up.")
    return PodGoneError("The pod was deleted from outside.")


def _lost_machine(pod: Manifest) -> Trouble | None:
    if "deletionTimestamp" in pod["metadata"] or is_over(pod) or not is_node_lost(pod):
        return None
    said = quoted(pod.get("status", {}).get("message") or "")
    return Trouble(NodeLostError(f"Its machine does not answer{f': {said}' if said else ''}. It may come back."))


def _gated(pod: Manifest) -> SchedulingGatedError:
    gates = ", ".join(gate["name"] for gate in pod.get("spec", {}).get("schedulingGates") or ())
    return SchedulingGatedError(f"The cluster holds its start back{f' ({gates})' if gates else ''}: it waits its turn.")


def _is_outdated(pod: Manifest) -> bool:
    """Return whether the last end of a running program is outdated: it was ready after that."""
    own, ready = own_status(pod), condition(pod, "Ready")
    last = state_of(own, "terminated", last=True)
    if state_of(own, "running") is None or last is None or ready.get("status") != "False":
        return False
    ended, since = _time(last.get("finishedAt")), _time(ready.get("lastTransitionTime"))
    return ended is not None and since is not None and (since - ended).total_seconds() > _SKEW


def _was_deleted_before(pod: Manifest, ended: Status) -> bool:
    """Return whether a pod was deleted before its program ended, or whether that is not known."""
    metadata = pod["metadata"]
    if "deletionTimestamp" not in metadata:
        return False
    finished, gone = _time(ended.get("finishedAt")), _time(metadata["deletionTimestamp"])
    if finished is None or gone is None:
        return True
    return finished >= gone - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)


def _time(text: str | None) -> datetime | None:
    """Read a time of the API server's; None where it is none."""
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        return None


def _ends(status: Status) -> int:
    ended = state_of(status, "terminated")
    return int(status.get("restartCount", 0)) + (ended is not None and ended.get("exitCode", 0) != 0)


def _ran_long(status: Status) -> bool:
    """Return whether a container ran for long before it ended: the kubelet starts it again at once."""
    ended = end_of(status) or {}
    began, finished = _time(ended.get("startedAt")), _time(ended.get("finishedAt"))
    return began is not None and finished is not None and (finished - began).total_seconds() >= _FORGIVEN_AFTER


def _phase(pod: Manifest) -> str:
    phase: str = pod.get("status", {}).get("phase", "Pending")
    return phase
