"""Watch of a write fence that stays shut although the cluster answers: only a restart may open it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from spawnpenny.aio.supervisor import GiveUpError

if TYPE_CHECKING:
    from spawnpenny.aio.supervisor import Restarts
    from spawnpenny.replicas.fence import Fence

_LEASES: Final = 4
"""The least time, in durations of a Lease, for which a shut fence means nothing yet."""
_SILENCE: Final = 2 / 3
"""The share of the patience for which the cluster may be silent and still counts as answering."""
_CHECKS: Final = 4
"""Checks of the fence within the duration of one Lease."""


class FenceWatch:
    """The time for which the fence has been shut while the cluster answered.

    While the cluster itself is away, nothing is counted: a restart would lose the known state and help nobody.

    Args:
        fence: The fence to watch.
        silence: Returns the seconds since the cluster last sent anything.
        lease: The duration of a Lease, in seconds.
        restarts: The times after which liveness fails (``alarm``) and the process ends (``patience``).

    """

    def __init__(self, fence: Fence, silence: Callable[[], float], lease: float, restarts: Restarts) -> None:
        self._fence = fence
        self._silence = silence
        self._pause = lease / _CHECKS
        self._alarm = max(restarts.alarm, _LEASES * lease)
        self._patience = max(restarts.patience, _LEASES * lease)
        self._since: float | None = None
        self._shut_for = 0.0

    @property
    def is_hopeless(self) -> bool:
        """Return whether only a restart can help."""
        return not self._fence.is_open and self._shut_for > self._alarm

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            GiveUpError: The fence has been shut for too long.

        """
        while True:
            self._check()
            if self._shut_for > self._patience:
                raise GiveUpError("The Lease of this replica cannot be renewed, although the cluster answers.")
            await asyncio.sleep(self._pause)

    def _check(self) -> None:
        now, silence = asyncio.get_running_loop().time(), self._silence()
        if self._fence.is_open or silence > self._patience * _SILENCE:
            self._since, self._shut_for = None, 0.0
            return
        if self._since is None:
            self._since = now
        # Only until the cluster last sent anything: it may have been away since.
        self._shut_for = max(self._shut_for, now - silence - self._since)
