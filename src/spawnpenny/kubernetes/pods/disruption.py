"""Classify why the cluster ended or refused a pod, rather than its program.

Reasons are those of ``status.reason`` (``k8s.io/kubernetes/pkg/kubelet``: eviction, preemption, nodeshutdown,
lifecycle) and of the condition ``DisruptionTarget`` (Kubernetes 1.26 and later). The exit codes of the containers only
follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.pods.containers import own_status, state_of
from spawnpenny.kubernetes.pods.errors import (
    NodeLostError,
    NodeShutdownError,
    PodEndedError,
    PodEvictedError,
    PodExpiredError,
    PodPreemptedError,
    PodRejectedError,
)

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest

NODE_LOST: Final = "NodeLost"
_Cause = tuple[type[SpawnError], str]
_EVICTED: Final = PodEvictedError, "Its machine ran short of something, and put it out"
_DRAINED: Final = PodEvictedError, "It was taken off its machine"
_PREEMPTED: Final = PodPreemptedError, "It had to make room for something more important"
_LOST: Final = NodeLostError, "Its machine does not answer any more"
_SHUTDOWN: Final = NodeShutdownError, "Its machine was shut down"
_REASONS: Final[Mapping[str, _Cause]] = {
    "Evicted": _EVICTED,
    "Preempting": _PREEMPTED,
    "Preempted": _PREEMPTED,
    NODE_LOST: _LOST,
    "NodeShutdown": _SHUTDOWN,
    "Shutdown": _SHUTDOWN,
    "Terminated": _SHUTDOWN,
    "DeadlineExceeded": (PodExpiredError, "It ran as long as its pod may"),
}
_REFUSALS: Final = frozenset(
    {
        "AdmissionPredicateFailed",
        "AppArmor",
        "HostPortConflict",
        "InitContainerRestartPolicyForbidden",
        "InvalidNodeInfo",
        "MatchNodeSelector",
        "NodeAffinity",
        "NodeName",
        "NodePorts",
        "NodeUnschedulable",
        "PodFeatureUnsupported",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "SupplementalGroupsPolicyNotSupported",
        "SysctlForbidden",
        "TaintToleration",
        "TopologyAffinityError",
        "UnexpectedAdmissionError",
        "UnexpectedPredicateFailureType",
    }
)
_DISRUPTIONS: Final[Mapping[str, _Cause]] = {
    "PreemptionByScheduler": _PREEMPTED,
    "DeletionByTaintManager": _DRAINED,
    "EvictionByEvictionAPI": _DRAINED,
    "DeletionByPodGC": _LOST,
    "TerminationByKubelet": _EVICTED,
}


def cluster_cause(pod: Manifest, quoted: Callable[[str], str]) -> SpawnError | None:
    """Return why the cluster ended a pod, or is about to; None where its program ended by itself.

    ``quoted`` shortens the cluster's own words to one line.
    """
    status = pod.get("status", {})
    reason = status.get("reason") or ""
    if reason:
        kind, sentence = _by_reason(reason, pod)
        message = status.get("message") or ""
    else:
        disruption = condition(pod, "DisruptionTarget")
        if disruption.get("status") != "True":
            return None
        kind, sentence = _disrupted(disruption.get("reason") or "", pod)
        message = disruption.get("message") or ""
    said = quoted(message)
    return kind(f"{sentence}: {said}." if said else f"{sentence}.")


def is_node_lost(pod: Manifest) -> bool:
    """Return whether the machine of a pod does not answer, so that nothing is known of its containers.

    The node controller then reports the pod as not Ready, and keeps the rest of the last status.
    """
    status = pod.get("status", {})
    if status.get("reason") == NODE_LOST or status.get("phase") == "Unknown":
        return True
    ready = condition(pod, "Ready").get("status")
    if ready == "Unknown":
        return True
    stale = ready == "False" and condition(pod, "ContainersReady").get("status") == "True"
    return stale and unmet_gate(pod) is None


def unmet_gate(pod: Manifest) -> str | None:
    """Return a readiness gate that is not met: a controller of the site holds the pod back."""
    gates = (gate["conditionType"] for gate in pod.get("spec", {}).get("readinessGates") or ())
    return next((gate for gate in gates if condition(pod, gate).get("status") != "True"), None)


def stuck_pods(pods: Iterable[Manifest]) -> list[str]:
    """Return one sentence for each pod that is being deleted: why it is not gone yet."""
    return [_stuck(pod) for pod in pods if "deletionTimestamp" in pod["metadata"]]


def _stuck(pod: Manifest) -> str:
    metadata = pod["metadata"]
    name = f"The pod {metadata['name']} in {metadata.get('namespace', '')} is deleted and not gone"
    if finalizers := metadata.get("finalizers"):
        return f"{name}: it is held by {', '.join(finalizers)}."
    if is_node_lost(pod):
        return f"{name}: its machine does not answer."
    return f"{name}: its containers have not ended, or its machine does not say so."


def condition(pod: Manifest, type_: str) -> dict[str, Any]:
    """Return a condition of a pod; empty where it has none of that type."""
    for entry in pod.get("status", {}).get("conditions") or ():
        if entry.get("type") == type_:
            found: dict[str, Any] = entry
            return found
    return {}


def _by_reason(reason: str, pod: Manifest) -> _Cause:
    if reason in _REASONS:
        return _REASONS[reason]
    if reason in _REFUSALS or reason.startswith("OutOf") or not _has_run(pod):
        return PodRejectedError, f"The machine that was to run it refused it ({reason})"
    return PodEndedError, f"The pod was ended by the cluster ({reason})"


def _disrupted(reason: str, pod: Manifest) -> _Cause:
    if is_node_lost(pod):
        return _LOST
    return _DISRUPTIONS.get(reason, (PodEndedError, f"The pod was ended by the cluster ({reason})"))


def _has_run(pod: Manifest) -> bool:
    own = own_status(pod)
    return any(state_of(own, state) is not None for state in ("running", "terminated")) or bool(own.get("lastState"))
