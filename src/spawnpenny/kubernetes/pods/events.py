"""Word the Kubernetes Events of one pod for the user who waits for it.

The reasons are those of the kubelet (``k8s.io/kubernetes/pkg/kubelet/events``), the scheduler, the attach-detach
controller and the cluster autoscaler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain.events import Severity
from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.kubernetes.pods.errors import NodeLostError, PodSetupError, VolumeUnavailableError

if TYPE_CHECKING:
    from spawnpenny.domain.events import Notify
    from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref


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
    "FailedPostStartHook": "Its postStart hook failed.",
    "FailedPreStopHook": "Its preStop hook failed.",
    "NodeNotReady": "Its machine does not answer.",
}
_CAUSES: Final[Mapping[str, type[SpawnError]]] = {
    "FailedAttachVolume": VolumeUnavailableError,
    "FailedMount": VolumeUnavailableError,
    "FailedMapVolume": VolumeUnavailableError,
    "FailedBinding": VolumeUnavailableError,
    "ProvisioningFailed": VolumeUnavailableError,
    "FailedCreatePodSandBox": PodSetupError,
    "NetworkNotReady": PodSetupError,
    "NodeNotReady": NodeLostError,
}
"""Causes that only an Event names. They may pass; if they last, they are why the pod does not start."""
_REPORTED_ELSEWHERE: Final = frozenset(
    {"FailedScheduling", "BackOff", "Failed", "ErrImageNeverPull", "InspectFailed", "Created", "Started", "Killing"}
)
"""Reasons of Events that the status of the pod reports as well, or better."""
_MAX_QUOTE: Final = 200


async def report_events(
    cluster: Cluster,
    ref: Ref,
    uid: str,
    *,
    notify: Notify,
    suspect: Callable[[SpawnError], None],
    quote: Callable[[str], str],
) -> None:
    """Report the Kubernetes Events of a pod, until cancelled.

    ``suspect`` is called with the error that would be the reason if it lasted; ``quote`` removes secrets from quotes.
    """
    informer = Informer(cluster, resource_of("Event"), namespace=ref.namespace)
    with informer.subscribe() as changes:
        following = asyncio.create_task(informer.run())
        try:
            async for change in changes:
                message = worded(change.object, quote=quote) if change.type != "DELETED" else None
                if message is not None and _is_of(change.object, uid):
                    notify(*message)
                    if (kind := _CAUSES.get(change.object.get("reason") or "")) is not None:
                        suspect(kind(message[0]))
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


async def failed_hook(cluster: Cluster, ref: Ref, uid: str) -> str | None:
    """Return the cluster's message about a failed ``postStart`` hook of a pod; None if no hook failed.

    Raises:
        ClusterError: The Events cannot be listed.

    """
    listing = await cluster.list(resource_of("Event"), namespace=ref.namespace)
    found = (event for event in listing.items if event.get("reason") == "FailedPostStartHook" and _is_of(event, uid))
    return next((str(event.get("message") or "") for event in found), None)


def worded(event: Manifest, *, quote: Callable[[str], str] = str) -> tuple[str, Severity] | None:
    """Return a sentence for the user about a Kubernetes Event, and its severity; None if it adds nothing."""
    reason, warning = event.get("reason") or "", event.get("type") == "Warning"
    severity = Severity.WARNING if warning else Severity.NORMAL
    if reason in _REPORTED_ELSEWHERE or not (warning or reason in PLAIN):
        return None
    plain, said = PLAIN.get(reason, ""), _line(quote(event.get("message") or ""))
    if not warning or reason == "Unhealthy":
        return plain, severity
    return (f"{plain} ({said})" if plain and said else plain or f"The cluster says: {said or reason}"), severity


def _is_of(event: Manifest, uid: str) -> bool:
    """Return whether an Event is about the object with a uid."""
    involved: dict[str, Any] = event.get("involvedObject") or {}
    return involved.get("uid") == uid


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTE else f"{line[: _MAX_QUOTE - 1]}…"
