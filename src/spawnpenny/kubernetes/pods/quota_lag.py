"""Create a pod while Kubernetes still counts pods that are ending or gone against the quota."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.events import Severity
from spawnpenny.errors import QuotaExceededError

if TYPE_CHECKING:
    from spawnpenny.domain.events import Notify
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.kubernetes.object_cache import Watched

_LAG: Final = 10.0
"""Seconds after the last pod that ended, within which Kubernetes counts again and retired workers end."""
_PAUSE: Final = 0.5


async def created(create: Callable[[], Awaitable[Manifest]], pods: Watched, namespace: str, notify: Notify) -> Manifest:
    """Return what ``create`` returns, tried again while the quota may still count pods that are ending.

    Raises:
        QuotaExceededError: It does not fit, or nothing that ends has made room.

    """
    loop = asyncio.get_running_loop()
    last = loop.time()
    while True:
        try:
            return await create()
        except QuotaExceededError as error:
            if any("deletionTimestamp" in pod["metadata"] for pod in pods.within(namespace)):
                last = loop.time()
            if error.advice is not None or loop.time() - last > _LAG:  # it would never fit, or nothing ends
                raise
            notify("Waiting until the quota has the room of pods that are ending.", Severity.NORMAL)
        await asyncio.sleep(_PAUSE)
