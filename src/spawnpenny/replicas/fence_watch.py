"""Watch for a fence that stays shut although the cluster answers: only a restart of the process may open it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from spawnpenny.aio.supervisor import GiveUpError

if TYPE_CHECKING:
    from spawnpenny.aio.supervisor import Restarts
    from spawnpenny.replicas.fence import Fence

_LEASES: Final = 4
"""How many Leases the fence may stay shut for at the least, before anything is concluded from it."""
_SILENCE: Final = 2 / 3
"""The part of the patience for which the cluster may be silent, and still counts as answering."""
_LOOKS: Final = 4
"""Looks at the fence in the time of one Lease."""


class FenceWatch:
    """Measure for how long the fence has been shut while the cluster answered.

    Where the cluster itself is away, nothing is counted: a restart would lose what is known, and help nobody.

    Args:
        fence: What to watch.
        silence: Returns the seconds since the last word from the cluster.
        lease: Seconds for which a Lease holds.
        restarts: After how long a restart is called for (``alarm``), and the process ends (``patience``).

    """

    def __init__(self, fence: Fence, silence: Callable[[], float], lease: float, restarts: Restarts) -> None:
        self._fence = fence
        self._silence = silence
        self._pause = lease / _LOOKS
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
            self._look()
            if self._shut_for > self._patience:
                raise GiveUpError("The Lease of this replica cannot be renewed, though the cluster answers.")
            await asyncio.sleep(self._pause)

    def _look(self) -> None:
        now, silence = asyncio.get_running_loop().time(), self._silence()
        if self._fence.is_open or silence > self._patience * _SILENCE:
            self._since, self._shut_for = None, 0.0
            return
        if self._since is None:
            self._since = now
        # Up to the last word alone: what comes after it may be a time in which the cluster is away.
        self._shut_for = max(self._shut_for, now - silence - self._since)
