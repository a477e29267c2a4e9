"""Retry policy of requests: the total time, and the pauses between attempts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from spawnpenny.clients.errors import ClientError


@dataclass(frozen=True, slots=True)
class Patience:
    """Retry for ``total`` seconds, with pauses that double from ``first`` to ``most``, at random up to half shorter."""

    total: float = 30.0
    first: float = 0.2
    most: float = 5.0


class Tries:
    """The attempts of one request."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.again()

    def again(self) -> None:
        """Start over after a success."""
        self._end = asyncio.get_running_loop().time() + self._patience.total
        self._pause = self._patience.first

    async def pause(self, error: ClientError) -> None:
        """Wait until the next attempt.

        Raises:
            ClientError: The error, if another attempt is useless or no time is left.

        """
        least = error.retry_after
        if least is None:
            raise error
        # At random, so that callers who were refused together do not come back together.
        pause = least + self._pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
        if asyncio.get_running_loop().time() + pause > self._end:
            raise error
        self._pause = min(self._pause * 2, self._patience.most)
        await asyncio.sleep(pause)
