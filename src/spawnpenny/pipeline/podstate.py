"""The state of a pod, as its own container has it: pure reading of the Kubernetes PodStatus.

``pod_containers`` says which container that is. Fields and reasons are those of the Pod v1 API and of the kubelet
(``k8s.io/kubernetes/pkg/kubelet/images``: ErrImagePull, ImagePullBackOff, InvalidImageName; ``kuberuntime``:
CreateContainerConfigError, RunContainerError, CrashLoopBackOff).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from spawnpenny.cluster.port import Manifest
from spawnpenny.errors import (
    CrashError,
    ImageError,
    PodConfigError,
    PodGoneError,
    SpawnError,
    UnschedulableError,
)
from spawnpenny.pipeline.pod_containers import (
    NOT_BEGUN,
    Status,
    blocking_init,
    own_end,
    own_status,
    side_statuses,
    state_of,
)

Quote = Callable[[str], str]
PULL_REASONS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_HOPELESS_PULL: Final = re.compile(
    r"not found|manifest unknown|does not exist|denied|unauthorized|authentication required|forbidden"
    r"|invalid reference|couldn't parse",
    re.IGNORECASE,
)
_HOPELESS_CONFIG: Final = re.compile(
    r"not found|couldn't find key|runAsNonRoot|no such file|executable file", re.IGNORECASE
)
_MAX_QUOTE: Final = 300
NODE_LOST: Final = "NodeLost"
_ENDED: Final = frozenset({"Succeeded", "Failed"})
_NOT_RUNNING: Final = _ENDED | {"Unknown"}
_FORGIVEN_AFTER: Final = 600.0
"""Seconds after which the kubelet forgets earlier ends, and makes its pause a short one again."""
MANY_CRASHES: Final = 5
"""After so many ends of its program a pod that ran is given up: the pauses between them are minutes by then."""


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod is not ready.

    ``hopeless`` trouble fails a spawn at once, other trouble when it has come back. ``pausing`` says that nothing new
    happened: the kubelet waits before it tries again.
    """

    error: SpawnError
    hopeless: bool = False
    pausing: bool = False

    @property
    def code(self) -> str:
        return self.error.code


def is_ready(pod: Manifest) -> bool:
    """Say whether the pod's own container answers, and nothing else than a container beside it stands against it."""
    status = pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"] or status.get("phase") in _NOT_RUNNING:
        return False
    ready = _condition(pod, "Ready").get("status") == "True"
    own = own_status(pod)
    if not own or ready:
        return ready
    # The kubelet has not found all containers ready. Where it has, a readiness gate or a lost machine is the cause.
    gates = (gate["conditionType"] for gate in pod.get("spec", {}).get("readinessGates") or ())
    return (
        bool(own.get("ready"))
        and status.get("reason") != NODE_LOST
        and _condition(pod, "ContainersReady").get("status") != "True"
        and all(_condition(pod, gate).get("status") == "True" for gate in gates)
    )


def is_over(pod: Manifest) -> bool:
    """Say whether the pod's own container, or the pod as a whole, has ended for good."""
    return _phase(pod) in _ENDED or own_end(pod) is not None


def is_lost(pod: Manifest) -> bool:
    """Say whether a pod that was ready will not be again by itself: it is over, or its program fails all the time."""
    return is_over(pod) or (not is_ready(pod) and crashes(pod) >= MANY_CRASHES and not _ran_long(own_status(pod)))


def has_succeeded(pod: Manifest) -> bool:
    """Say whether the pod's own container has ended with exit code 0, whatever those beside it do."""
    ended = own_end(pod)
    return ended.get("exitCode") == 0 if ended is not None else _phase(pod) == "Succeeded"


def crashes(pod: Manifest) -> int:
    """Return how many times the pod's own container has ended and was to be started again."""
    return _ends(own_status(pod))


def failed_starts(pod: Manifest) -> int:
    """Return how many times the container that a start waits for has ended: the program, or an init container."""
    return _ends(blocking_init(pod) or own_status(pod))


def trouble(pod: Manifest, *, quote: Quote | None = _as_it_is) -> Trouble | None:
    """Say what keeps a pod from being ready, if anything is wrong with it; for ``quote`` see ``ending``."""
    unplaced = _condition(pod, "PodScheduled")
    if unplaced.get("status") == "False" and unplaced.get("reason") == "Unschedulable":
        told = _quote(unplaced.get("message", ""), otherwise="no more is known")
        return Trouble(UnschedulableError(f"No machine has room for it: {told}."))
    return _container_trouble(blocking_init(pod) or own_status(pod), quote=quote)


def side_troubles(pod: Manifest) -> Iterator[tuple[str, SpawnError]]:
    """Yield the containers beside the program that are in trouble, by name, and why. They decide nothing."""
    for status in side_statuses(pod):
        found = _container_trouble(status, quote=None)
        if found is not None:
            yield status["name"], found.error


def ending(pod: Manifest, *, quote: Quote | None = _as_it_is) -> SpawnError:
    """Word why a pod that is over has ended.

    What its program wrote last is added where the cluster keeps it, by way of ``quote``, which takes secrets out; None
    leaves it out.
    """
    reason, message = pod.get("status", {}).get("reason"), pod.get("status", {}).get("message")
    if reason:  # evicted, its machine shut down: the exit codes of its containers only follow from it
        return CrashError(f"The pod was ended by the cluster: {reason}{f' ({_quote(message)})' if message else ''}.")
    if "deletionTimestamp" in pod["metadata"]:  # the end of its program only follows from that
        return PodGoneError("The pod was deleted from outside.")
    status = blocking_init(pod) or own_status(pod)
    ended = _ended(status)
    if ended and ended.get("exitCode", 0) != 0:
        return _crash(status["name"], ended, quote=quote)
    return CrashError("The program in the pod ended by itself (exit code 0).")


def _container_trouble(status: Status, *, quote: Quote | None) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in PULL_REASONS:
        told = f"The image {status.get('image', '')} cannot be pulled: {_quote(message, otherwise=reason)}."
        hopeless = reason == "InvalidImageName" or bool(_HOPELESS_PULL.search(message))
        return Trouble(ImageError(told), hopeless, pausing=reason == "ImagePullBackOff")
    if reason in CONFIG_REASONS or reason not in NOT_BEGUN | {"CrashLoopBackOff"}:
        told = f"The container {status['name']} cannot be started: {_quote(message, otherwise=reason)}."
        return Trouble(PodConfigError(told), hopeless=bool(_HOPELESS_CONFIG.search(message)))
    ended = _ended(status)
    if ended and (ended.get("exitCode", 0) != 0 or ended.get("reason") == "OOMKilled"):
        return Trouble(_crash(status["name"], ended, quote=quote))
    return None


def _crash(container: str, ended: dict[str, Any], *, quote: Quote | None) -> CrashError:
    if ended.get("reason") == "OOMKilled":
        return CrashError(f"The container {container} was ended because it used more memory than it may (OOMKilled).")
    detail = _quote(quote(ended.get("message", ""))) if quote else ""
    return CrashError(
        f"The container {container} ended by itself with exit code {ended.get('exitCode')}"
        f"{f': {detail}' if detail else ''}."
    )


def _ended(status: Status) -> Status | None:
    return state_of(status, "terminated") or state_of(status, "terminated", last=True)


def _ends(status: Status) -> int:
    ended = state_of(status, "terminated")
    return int(status.get("restartCount", 0)) + (ended is not None and ended.get("exitCode", 0) != 0)


def _ran_long(status: Status) -> bool:
    """Say whether a container ran for long before it ended: the kubelet starts it again at once."""
    ended = _ended(status) or {}
    try:
        ran = datetime.fromisoformat(ended["finishedAt"]) - datetime.fromisoformat(ended["startedAt"])
    except (KeyError, TypeError, ValueError):
        return False
    return ran.total_seconds() >= _FORGIVEN_AFTER


def _condition(pod: Manifest, type_: str) -> dict[str, Any]:
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition.get("type") == type_:
            found: dict[str, Any] = condition
            return found
    return {}


def _phase(pod: Manifest) -> str:
    phase: str = pod.get("status", {}).get("phase", "Pending")
    return phase


def _quote(text: str, *, otherwise: str = "") -> str:
    line = " ".join(text.split()).rstrip(".") or otherwise
    return line if len(line) <= _MAX_QUOTE else f"{line[: _MAX_QUOTE - 1]}…"
