"""Classify why one container does not run, and word it.

Reasons are those of the kubelet (``k8s.io/kubernetes/pkg/kubelet/images``: ErrImagePull, ImagePullBackOff,
InvalidImageName; ``kuberuntime``: CreateContainerConfigError, RunContainerError, PostStartHookError, CrashLoopBackOff)
and of container runtimes (StartError, ContainerCannotRun).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.pods.containers import NOT_STARTED, Status, state_of
from spawnpenny.kubernetes.pods.errors import (
    ContainerWaitingError,
    CrashError,
    HookFailedError,
    ImageError,
    OutOfMemoryError,
    PodConfigError,
    PodEndedError,
    ProgramEndedError,
)

Quote = Callable[[str], str]

HEALING: Final = 60.0
"""Seconds that a trouble may last if a controller of the site may end it, by creating a Secret or ConfigMap."""
_PULL_REASONS: Final = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONFIG_REASONS: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "RunContainerError",
    }
)
_END_UNKNOWN: Final = frozenset({"ContainerStatusUnknown", "Unknown"})
"""Reasons that the kubelet and containerd give for a container that they found gone, as after a restart of the machine.
The exit codes, 137 and 255, are made up."""
_NOT_STARTED: Final = frozenset({"StartError", "ContainerCannotRun"})
_PASSING: Final = re.compile(
    r"no such host|server misbehaving|i/o timeout|timed? ?out|deadline exceeded|connection re(?:fused|set)|EOF\b"
    r"|TLS handshake|temporar|too ?many ?requests|unreachable|unavailable"
    r"|(?:status(?: code)?|HTTP)\W{0,3}(?:429|5\d\d)\b|\b50[0-4] [A-Z]",
    re.IGNORECASE,
)
_HOPELESS_PULL: Final = re.compile(
    r"not found|manifest unknown|does not exist|denied|unauthorized|authentication required|forbidden"
    r"|invalid reference|couldn't parse|no matching manifest|no match for platform",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(r"denied|unauthorized|authentication required|forbidden", re.IGNORECASE)
_HOPELESS_CONFIG: Final = re.compile(
    r"runAsNonRoot|run as root|executable file not found|exec: .*(?:not found|no such file|permission denied)"
    r"|exec format error|no command specified",
    re.IGNORECASE,
)
_MAX_QUOTE: Final = 300
_CUT_FROM: Final = 2048 - 3
"""Bytes from which a last message may begin within a word, or within a character: the kubelet keeps the last 2,048
bytes of a log, and 4,096 of a file."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The reason why a pod is not ready.

    ``hopeless`` trouble fails a spawn at once, other trouble when it has come back, or has lasted for ``grace`` seconds
    (None: no limit). ``pausing`` says that the kubelet only waits before it tries again. ``placing`` trouble comes from
    the scheduler, and often passes.
    """

    error: SpawnError
    hopeless: bool = False
    pausing: bool = False
    grace: float | None = None
    placing: bool = False

    @property
    def code(self) -> str:
        return self.error.code


def container_trouble(status: Status, *, quote: Quote | None, pull_secrets: bool = False) -> Trouble | None:
    """Return why a container does not run, if something is wrong; for ``quote`` see ``container_end``.

    ``pull_secrets`` says whether its pod names any: a denied pull may succeed later then.
    """
    waiting = state_of(status, "waiting") or {}
    reason, message = waiting.get("reason") or "", waiting.get("message") or ""
    if reason in _PULL_REASONS:
        return _unpulled(status, reason, message, pull_secrets=pull_secrets)
    if reason in _CONFIG_REASONS:
        said = f"The container {status['name']} cannot be started: {quoted(message, otherwise=reason)}."
        return Trouble(PodConfigError(said), hopeless=bool(_HOPELESS_CONFIG.search(message)), grace=HEALING)
    if reason == "PostStartHookError":
        return Trouble(hook_failure(status["name"], quote(message) if quote else ""))
    if reason == "CrashLoopBackOff" or reason in NOT_STARTED:
        return _ended_before(status, again=reason == "CrashLoopBackOff", quote=quote)
    said = quoted(message)
    return Trouble(
        ContainerWaitingError(f"The container {status['name']} waits: {reason}{f' ({said})' if said else ''}.")
    )


def container_end(container: str, ended: Status, *, quote: Quote | None) -> SpawnError:
    """Word how a container ended.

    The last output of its program is added, if the cluster has kept it. ``quote`` removes secrets from it; None
    leaves it out.
    """
    detail = _last_words(quote(_whole_words(ended.get("message") or ""))) if quote else ""
    said = f": {detail}" if detail else ""
    if ended.get("reason") == "OOMKilled":
        return OutOfMemoryError(
            f"The container {container} was ended because it used more memory than it may (OOMKilled).",
            exit_code=ended.get("exitCode"),
        )
    if ended.get("reason") in _END_UNKNOWN:
        return PodEndedError(f"How the container {container} ended is not known: its machine may have been restarted.")
    if ended.get("reason") in _NOT_STARTED:
        return PodConfigError(f"The container {container} cannot be started{said}.")
    kind, code = (CrashError, ended["exitCode"]) if ended.get("exitCode") else (ProgramEndedError, 0)
    return kind(f"The container {container} ended by itself with exit code {code}{said}.", exit_code=code)


def hook_failure(container: str, message: str) -> HookFailedError:
    """Word that a container was ended because its ``postStart`` hook failed."""
    said = quoted(message)
    return HookFailedError(
        f"The container {container} was ended because its postStart hook failed{f': {said}' if said else ''}."
    )


def end_of(status: Status) -> Status | None:
    """Return how a container ended, now or the last time."""
    return state_of(status, "terminated") or state_of(status, "terminated", last=True)


def quoted(text: str, *, otherwise: str = "") -> str:
    """Return a text as one short line without a full stop at its end."""
    line = " ".join(text.split()).rstrip(".") or otherwise
    return line if len(line) <= _MAX_QUOTE else f"{line[: _MAX_QUOTE - 1]}…"


def _last_words(text: str) -> str:
    """Return the end of what a program wrote as one short line: programs name the cause last."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _MAX_QUOTE else f"…{line[1 - _MAX_QUOTE :]}"


def _whole_words(message: str) -> str:
    """Drop the first word of a message that the kubelet may have cut: the rest of a secret would not be recognised."""
    if len(message.encode("utf-8", "surrogatepass")) < _CUT_FROM:
        return message
    return "".join(message.split(maxsplit=1)[1:])


def _unpulled(status: Status, reason: str, message: str, *, pull_secrets: bool) -> Trouble:
    image = status.get("image", "")
    verb = "be read by the machine" if reason == "ImageInspectError" else "be pulled"
    error = ImageError(f"The image {image} cannot {verb}: {quoted(message, otherwise=reason)}.")
    said = message.replace(image, "") if image else message  # its name and tag may contain any of the words
    refused = bool(_HOPELESS_PULL.search(said)) and not _PASSING.search(said)
    if pull_secrets and _DENIED.search(said):
        refused = False  # a controller may put the pull secret there a moment later
    return Trouble(
        error,
        hopeless=reason == "InvalidImageName" or refused,
        pausing=reason == "ImagePullBackOff",
        grace=HEALING if reason in {"ErrImageNeverPull", "ImageInspectError"} else None,
    )


def _ended_before(status: Status, *, again: bool, quote: Quote | None) -> Trouble | None:
    """Return the trouble of a container that has ended, and is started again or not."""
    ended = end_of(status)
    if ended is None:
        return None
    bad = bool(ended.get("exitCode")) or ended.get("reason") == "OOMKilled"
    ends_well_for_ever = again and int(status.get("restartCount", 0)) > 0
    if not bad and not ends_well_for_ever:
        return None
    error = container_end(status["name"], ended, quote=quote)
    hopeless = isinstance(error, PodConfigError) and bool(_HOPELESS_CONFIG.search(ended.get("message") or ""))
    return Trouble(error, hopeless=hopeless)
