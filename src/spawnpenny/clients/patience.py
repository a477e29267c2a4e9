"""Retry policy of requests: the total time, and the pauses between tries."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from spawnpenny.clients.errors import ClientError


@dataclass(frozen=True, slots=True)
class Patience:
    """For so many seconds in all, with pauses that double from ``first`` to ``most``, each cut by up to a half."""

    total: float = 30.0
    first: float = 0.2
    most: float = 5.0


class Tries:
    """The tries of one request."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.again()

    def again(self) -> None:
        """Begin anew, as what was tried has worked."""
        self._end = asyncio.get_running_loop().time() + self._patience.total
        self._pause = self._patience.first

    async def pause(self, error: ClientError) -> None:
        """Wait until it may be tried again.

        Raises:
            ClientError: The error, where there is no use in that, or no time left.

        """
        least = error.retry_after
        if least is None:
            raise error
        # Cut at random, so that callers who were refused together do not come back together.
        pause = least + self._pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
        if asyncio.get_running_loop().time() + pause > self._end:
            raise error
        self._pause = min(self._pause * 2, self._patience.most)
        await asyncio.sleep(pause)
