"""What Kubernetes tells of one pod that takes long, in words for the one who waits: the Events of its uid.

The reasons are those of the kubelet (``k8s.io/kubernetes/pkg/kubelet/events``), the scheduler, the attach-detach
controller and the cluster autoscaler.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from spawnpenny.cluster.informer import Informer
from spawnpenny.cluster.kinds import resource_of
from spawnpenny.cluster.permissions import Declared, allow
from spawnpenny.domain.events import Severity

if TYPE_CHECKING:
    from spawnpenny.cluster.port import Cluster, Manifest, Ref
    from spawnpenny.pipeline.spawn import Tell

PERMISSIONS: Final[Declared] = {"tenant": (allow("list", "watch", on="events"),)}

PLAIN: Final[Mapping[str, str]] = {
    "Scheduled": "A machine has room for it.",
    "TriggeredScaleUp": "No machine has room for it: a further one is being started, which takes some minutes.",
    "NotTriggerScaleUp": "No machine has room for it, and no further one can be started for it.",
    "Pulling": "The machine fetches the image: for a large one that it has not had before, this takes minutes.",
    "Pulled": "The image is there.",
    "SuccessfulAttachVolume": "Its volume is attached.",
    "FailedAttachVolume": "Its volume cannot be attached yet: it may still be in use on another machine.",
    "FailedMount": "Its volume cannot be mounted yet.",
    "Unhealthy": "Its program has started, and does not answer yet.",
    "Preempted": "It has to make room for something more important.",
    "Evicted": "Its machine ran out of something, and has put it out.",
    "FailedCreatePodSandBox": "The machine cannot set it up yet.",
    "NodeNotReady": "Its machine does not answer.",
}
_TOLD_ELSEWHERE: Final = frozenset(
    {"FailedScheduling", "BackOff", "Failed", "ErrImageNeverPull", "InspectFailed", "Created", "Started", "Killing"}
)
"""What the pod's own status says as well, or says better."""
_MAX_QUOTE: Final = 200


@asynccontextmanager
async def after_a_while(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do some work beside what is in the context, once that has lasted so long, until it ends.

    Whatever goes wrong with it is logged, and harms nobody.
    """

    async def later() -> None:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # noqa: BLE001 - a courtesy
            structlog.get_logger("spawnpenny.pipeline").warning("what a pod waits for cannot be told", exc_info=True)

    task = asyncio.create_task(later())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def tell_events(cluster: Cluster, ref: Ref, uid: str, *, tell: Tell, quote: Callable[[str], str]) -> None:
    """Tell what the cluster says of a pod, until cancelled; ``quote`` takes secrets out of what is quoted."""
    informer = Informer(cluster, resource_of("Event"), namespace=ref.namespace)
    with informer.subscribe() as changes:
        following = asyncio.create_task(informer.run())
        try:
            async for change in changes:
                told = worded(change.object, quote=quote) if change.type != "DELETED" else None
                if told is not None and change.object.get("involvedObject", {}).get("uid") == uid:
                    tell(*told)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def worded(event: Manifest, *, quote: Callable[[str], str] = str) -> tuple[str, Severity] | None:
    """Return what a Kubernetes Event says to the one who waits, and how bad it is; None where it says nothing more."""
    reason, warning = event.get("reason") or "", event.get("type") == "Warning"
    severity = Severity.WARNING if warning else Severity.NORMAL
    if reason in _TOLD_ELSEWHERE or not (warning or reason in PLAIN):
        return None
    plain, said = PLAIN.get(reason, ""), _line(quote(event.get("message") or ""))
    if not warning or reason == "Unhealthy":
        return plain, severity
    return (f"{plain} ({said})" if plain and said else plain or f"The cluster says: {said or reason}"), severity


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTE else f"{line[: _MAX_QUOTE - 1]}…"
