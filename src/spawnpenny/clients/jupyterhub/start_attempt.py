"""One attempt to start a server: it knows whether its request may have reached the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from spawnpenny.clients.errors import ClientError, ProblemError, UnreachableError
from spawnpenny.clients.http import Lab, new_start
from spawnpenny.clients.patience import Patience, Tries

_NOTHING_DONE: Final = frozenset({"not_ready"})
"""What is answered with a status of 5xx before the service has done anything."""


class StartAttempt:
    """A start, with an id of its own. Its request is never broken off: what came of it has to be known."""

    def __init__(self) -> None:
        self.start = new_start()
        self._asking: asyncio.Task[Lab] | None = None
        self._lost = False
        self._accepted = False

    @property
    def uncertain(self) -> bool:
        """The service may have it, or may still get it, and has not said so."""
        if self._asking is None or self._accepted:
            return False
        return self._lost or not self._asking.done()

    @property
    def void(self) -> bool:
        """The service never had it, and will not get it."""
        return not self._accepted and not self.uncertain

    async def ask(self, send: Callable[[], Awaitable[Lab]], patience: Patience) -> Lab:
        """Send the request until it is answered; where the caller is cancelled, it goes on.

        Raises:
            ClientError: The last answer, or that there was none.

        """
        self._asking = asyncio.create_task(self._ask(send, patience))
        return await asyncio.shield(self._asking)

    async def over(self) -> None:
        """Wait until nothing is sent any more."""
        if self._asking is not None:
            await asyncio.wait([self._asking])
            self._asking.cancelled() or self._asking.exception()  # its caller has it, or was cancelled

    async def _ask(self, send: Callable[[], Awaitable[Lab]], patience: Patience) -> Lab:
        tries = Tries(patience)
        while True:
            try:
                lab = await send()
            except ClientError as error:
                self._lost |= _may_be_done(error)
                await tries.pause(error)
            else:
                self._accepted = True
                return lab


def _may_be_done(error: ClientError) -> bool:
    if isinstance(error, UnreachableError):
        return error.sent
    if isinstance(error, ProblemError):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _NOTHING_DONE
    return False
