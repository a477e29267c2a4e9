"""The lab of a server in the service: a handle on it, and one attempt to start it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from spawnpenny.clients.errors import ClientError, ProblemError, UnreachableError
from spawnpenny.clients.http import UNDOING, Client, Lab, Patience, new_start
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed
from spawnpenny.clients.jupyterhub.errors import MISCONFIGURED, MisconfiguredError, RefusedError, cause_of
from spawnpenny.clients.jupyterhub.progress import ProgressLog
from spawnpenny.clients.jupyterhub.service_access import LOOK_TIMEOUT
from spawnpenny.clients.patience import Tries

_HURRY: Final = 3.0
_PAUSE: Final = 1.0
_WAIT: Final = 60.0
_SILENCE: Final = 20.0
"""Seconds without an event after which the state of the lab is read."""
_SILENT: Final = "The service that starts servers does not answer now. Waiting for it."
_MISCONFIGURED: Final = f"{MISCONFIGURED} Waiting for an administrator."
_NOTHING_DONE: Final = frozenset({"not_ready"})
"""Codes of a 5xx that the service sends before it has done anything."""
Connect = Callable[..., Awaitable[Client]]


class LabHandle:
    """The lab of one server, read and stopped with the Hub's own token.

    Args:
        connect: Returns a client with the Hub's token.
        user: The username.
        name: The name of the lab.
        log: The log of the spawner.
        program: The name of the Hub in the service.

    """

    def __init__(self, connect: Connect, user: str, name: str, log: logging.Logger, *, program: str | None) -> None:
        self.user = user
        self._program = program
        self._connect = connect
        self._key = (user, name)
        self._log = log
        self.trouble: RefusedError | None = None
        """Why the state of the lab is unknown, if the last request failed."""

    async def look(self) -> Lab | None:
        """Return the lab, or None if it certainly does not exist.

        Raises:
            Exception: The state of the lab is unknown.

        """
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                client = await self._connect(_HURRY)
                found = await client.lab(*self._key)
        except Exception as error:
            if _gone(error):
                self.trouble = None
                return None
            self._report(error)
            raise
        else:
            self.trouble = None
            return found

    async def settled(self, progress: ProgressLog, start: str | None = None) -> Lab:
        """Wait until the lab runs or has failed, however long the service does not answer, and log the progress.

        The lab has failed once the service gives a reason, even while its objects are still being deleted.

        Raises:
            RefusedError: The lab is gone, or another start has replaced this one.

        """
        last: str | None = None
        while True:
            try:
                client = await self._connect(_HURRY)
                last = await self._follow(client, progress, last)
                found = await client.lab(*self._key)
            except (ClientError, MisconfiguredError) as error:
                if _gone(error):
                    raise RefusedError("lab_gone", "The server was stopped while it was starting.") from None
                self._report(error, progress)
            else:
                self.trouble = None
                if start is not None and found.start != start:
                    message = f"Another start of the server replaced this one: {started_by(found)}"
                    raise RefusedError("start_conflict", message, status=409)
                if found.running or found.over or found.doomed:
                    return found
            await asyncio.sleep(_PAUSE)

    async def _follow(self, client: Client, progress: ProgressLog, last: str | None) -> str | None:
        """Log the progress until the event stream ends, fails or is silent; return the id of the last event.

        The state of the lab does not depend on it: the stream may be refused, and the events of a new record have lower
        ids and are not logged.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SILENCE) as patience:
                async with aclosing(client.lab_events(*self._key, after=last)) as events:
                    async for event in events:
                        patience.reschedule(loop.time() + _SILENCE)
                        last, self.trouble = event.id, None
                        progress.take(event)
                        if event.phase == UNDOING:
                            break
        except TimeoutError:
            return last
        except ClientError as error:
            if _gone(error):
                raise
        return last

    def is_foreign(self, found: Lab, by: str | None) -> bool:
        """Return whether another caller than this Hub started a lab; ``by`` is the identity of this Hub."""
        if found.client and self._program and found.client != self._program:
            return True
        return bool(by and found.by and found.by != by)

    async def stop(self, start: str | None, within: float, *, others: bool = False, by: str | None = None) -> None:
        """Stop the lab, and return once it is gone.

        Args:
            start: Stop only this start; None stops the current one.
            within: Seconds that it may take, beside the grace period of the pods.
            others: Also stop a start that replaced this one, unless another caller started it.
            by: The identity of this Hub in the service.

        Raises:
            TimeoutError: The lab was not gone in time, or its state is unknown.

        """
        loop = asyncio.get_running_loop()
        end, wait = loop.time() + within, min(_WAIT, within / 2)
        async with asyncio.timeout_at(end) as limit:
            for target in (start, None) if start and others else (start,):
                while (left := await self._stop(target, by, wait)) is not None:
                    limit.reschedule(max(limit.when() or end, end + left))
                    await asyncio.sleep(_PAUSE)

    async def _stop(self, start: str | None, by: str | None, wait: float) -> float | None:
        """Stop the lab. Return None once it is gone, else the grace period of its pods after ``wait`` seconds.

        If the state of the lab is unknown, return 0.
        """
        try:
            client = await self._connect()
            if start is None:
                found = await client.lab(*self._key)
                if found.over or self.is_foreign(found, by):
                    return None
                start = found.start
            left = await client.stop_lab(*self._key, start=start, wait=wait)
        except (ClientError, MisconfiguredError) as error:
            if _gone(error):
                return None
            self._report(error)
            return 0
        self.trouble = None
        return None if left is None else left.grace

    def _report(self, error: Exception, progress: ProgressLog | None = None) -> None:
        """Log why the state of the lab is unknown, and show it to the waiting user, once for each reason."""
        trouble = diagnosed(error)
        if self.trouble is None or self.trouble.code != trouble.code:
            user, name = self._key
            cause = cause_of(trouble)
            self._log.warning("The state of %s's lab %s is unknown, and will be requested again: %s", user, name, cause)
            if progress is not None:
                progress.report(_MISCONFIGURED if isinstance(trouble, MisconfiguredError) else _SILENT, warning=True)
        self.trouble = trouble


class StartAttempt:
    """One attempt to start a server, with an id. Its request is never cancelled, as its result has to be known."""

    def __init__(self) -> None:
        self.start = new_start()
        self._request: asyncio.Task[Lab] | None = None
        self._lost = False
        self._accepted = False

    @property
    def uncertain(self) -> bool:
        """True if the service may have or still receive the request, and has not accepted it."""
        if self._request is None or self._accepted:
            return False
        return self._lost or not self._request.done()

    @property
    def void(self) -> bool:
        """True if the service does not have the request, and will not receive it."""
        return not self._accepted and not self.uncertain

    async def send(self, request: Callable[[], Awaitable[Lab]], patience: Patience) -> Lab:
        """Send the request until it is answered, even if the caller is cancelled.

        Raises:
            ClientError: The last error.

        """
        self._request = asyncio.create_task(self._send(request, patience))
        return await asyncio.shield(self._request)

    async def finished(self) -> None:
        """Wait until the request is no longer sent."""
        if self._request is not None:
            await asyncio.wait([self._request])
            self._request.cancelled() or self._request.exception()  # its caller handles the error, or was cancelled

    async def _send(self, request: Callable[[], Awaitable[Lab]], patience: Patience) -> Lab:
        tries = Tries(patience)
        while True:
            try:
                lab = await request()
            except ClientError as error:
                self._lost |= _may_be_done(error)
                await tries.pause(error)
            else:
                self._accepted = True
                return lab


def started_by(found: Lab) -> str:
    """Return the sentence that names who started a lab."""
    program = f" ({found.client})" if found.client else ""
    return f"{found.by or 'another caller'}{program} started it."


def _gone(error: Exception) -> bool:
    """Return whether an error says that the lab does not exist. A lab whose name is refused cannot exist."""
    return isinstance(error, ProblemError) and (error.status, error.code) in {
        (HTTPStatus.NOT_FOUND, "lab_not_found"),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "name_invalid"),
    }


def _may_be_done(error: ClientError) -> bool:
    """Return whether the service may have done what a failed request says."""
    if isinstance(error, UnreachableError):
        return error.sent
    if isinstance(error, ProblemError):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _NOTHING_DONE
    return False
