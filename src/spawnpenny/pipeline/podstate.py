"""What a pod's status means for the one who waits for it: pure reading of the Kubernetes PodStatus.

Fields and reasons are those of the Pod v1 API and of the kubelet (``k8s.io/kubernetes/pkg/kubelet/images``:
ErrImagePull, ImagePullBackOff, InvalidImageName; ``kuberuntime``: CreateContainerConfigError,
RunContainerError, CrashLoopBackOff).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.cluster.port import Manifest
from spawnpenny.errors import (
    CrashError,
    ImageError,
    PodConfigError,
    SpawnError,
    UnschedulableError,
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
    return "deletionTimestamp" not in pod["metadata"] and _condition(pod, "Ready").get("status") == "True"


def is_over(pod: Manifest) -> bool:
    """Whether all of the pod's containers have ended for good."""
    return _phase(pod) in {"Succeeded", "Failed"}


def is_lost(pod: Manifest) -> bool:
    """Whether a pod that was ready will not be again by itself: it is over, or its program ends again and again."""
    return is_over(pod) or (not is_ready(pod) and crashes(pod) >= MANY_CRASHES)


def has_succeeded(pod: Manifest) -> bool:
    return _phase(pod) == "Succeeded"


def crashes(pod: Manifest) -> int:
    """How many times a container of the pod has ended and was to be started again."""
    return sum(int(status.get("restartCount", 0)) for status in _statuses(pod)) + sum(
        1 for status in _statuses(pod) if _ended_now(status)
    )


def trouble(pod: Manifest, *, quote: Quote | None = _as_it_is) -> Trouble | None:
    """Say what keeps a pod from being ready, if anything is wrong with it; for ``quote`` see ``ending``."""
    unplaced = _condition(pod, "PodScheduled")
    if unplaced.get("status") == "False" and unplaced.get("reason") == "Unschedulable":
        told = _quote(unplaced.get("message", ""), otherwise="no more is known")
        return Trouble(UnschedulableError(f"No machine has room for it: {told}."))
    for status in _statuses(pod):
        found = _container_trouble(status, quote=quote)
        if found is not None:
            return found
    return None


def ending(pod: Manifest, *, quote: Quote | None = _as_it_is) -> SpawnError:
    """Word why a pod that is over has ended.

    What its program wrote last is added where the cluster keeps it, by way of ``quote``, which takes secrets out; None
    leaves it out.
    """
    reason, message = pod.get("status", {}).get("reason"), pod.get("status", {}).get("message")
    if reason:  # evicted, its machine shut down: the exit codes of its containers only follow from it
        return CrashError(f"The pod was ended by the cluster: {reason}{f' ({_quote(message)})' if message else ''}.")
    for status in _statuses(pod):
        ended = _ended(status)
        if ended and ended.get("exitCode", 0) != 0:
            return _crash(status["name"], ended, quote=quote)
    return CrashError("The program in the pod ended by itself (exit code 0).")


def _container_trouble(status: dict[str, Any], *, quote: Quote | None) -> Trouble | None:
    waiting = status.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in PULL_REASONS:
        told = f"The image {status.get('image', '')} cannot be pulled: {_quote(message, otherwise=reason)}."
        hopeless = reason == "InvalidImageName" or bool(_HOPELESS_PULL.search(message))
        return Trouble(ImageError(told), hopeless, pausing=reason == "ImagePullBackOff")
    if reason in CONFIG_REASONS:
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


def _ended(status: dict[str, Any]) -> dict[str, Any] | None:
    ended: dict[str, Any] | None = status.get("state", {}).get("terminated") or status.get("lastState", {}).get(
        "terminated"
    )
    return ended


def _ended_now(status: dict[str, Any]) -> bool:
    ended = status.get("state", {}).get("terminated")
    return bool(ended) and ended.get("exitCode", 0) != 0


def _statuses(pod: Manifest) -> Iterator[dict[str, Any]]:
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses", ())
    yield from status.get("containerStatuses", ())


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
