"""A handle on a server's lab in the service, by the Hub's own token."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.http import UNDOING, Client, Lab
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed
from spawnpenny.clients.jupyterhub.errors import MISCONFIGURED, MisconfiguredError, RefusedError, cause_of
from spawnpenny.clients.jupyterhub.lab_client import LOOK
from spawnpenny.clients.jupyterhub.progress import ProgressLog

_HURRY: Final = 3.0
_PAUSE: Final = 1.0
_WAIT: Final = 60.0
_SILENCE: Final = 20.0
"""Seconds without an event after which the lab itself is looked at."""
_SILENT: Final = "The service that starts servers does not answer at the moment: waiting for it."
_MISCONFIGURED: Final = f"{MISCONFIGURED} Waiting for an administrator to mend it."
Connect = Callable[..., Awaitable[Client]]


class RemoteLab:
    """The lab of that name of a user.

    ``connect`` gives a client that holds the Hub's token; ``program`` is what the Hub calls itself.
    """

    def __init__(self, connect: Connect, user: str, name: str, log: logging.Logger, *, program: str | None) -> None:
        self.user = user
        self._program = program
        self._connect = connect
        self._where = (user, name)
        self._log = log
        self.trouble: RefusedError | None = None
        """Why it is not known at the moment, where it was asked for and is not."""

    async def look(self) -> Lab | None:
        """Return it, or None where there surely is none.

        Raises:
            Exception: It is not known.

        """
        try:
            async with asyncio.timeout(LOOK):
                client = await self._connect(_HURRY)
                found = await client.lab(*self._where)
        except Exception as error:
            if _gone(error):
                self.trouble = None
                return None
            self._tell(error)
            raise
        else:
            self.trouble = None
            return found

    async def settled(self, progress: ProgressLog, start: str | None = None) -> Lab:
        """Wait until it runs or has failed, even if the service does not answer for long; log the progress meanwhile.

        It has failed as soon as the service says why, also while what was made is still being deleted.

        Raises:
            RefusedError: It is gone, or another start than that took its place.

        """
        last: str | None = None
        while True:
            try:
                client = await self._connect(_HURRY)
                last = await self._followed(client, progress, last)
                found = await client.lab(*self._where)
            except (ClientError, MisconfiguredError) as error:
                if _gone(error):
                    raise RefusedError("lab_gone", "The server was stopped while it was starting.") from None
                self._tell(error, progress)
            else:
                self.trouble = None
                if start is not None and found.start != start:
                    message = f"Another start of the server took the place of this one: {started_by(found)}"
                    raise RefusedError("start_conflict", message, status=409)
                if found.running or found.over or found.doomed:
                    return found
            await asyncio.sleep(_PAUSE)

    async def _followed(self, client: Client, progress: ProgressLog, last: str | None) -> str | None:
        """Log the progress until the stream ends, fails or falls silent; return the id of the last event.

        The state of the lab does not depend on it: a stream may be refused, and the events of a record made anew, which
        have lower ids, are not logged.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SILENCE) as patience:
                async with aclosing(client.lab_events(*self._where, after=last)) as events:
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

    def foreign(self, found: Lab, by: str | None) -> bool:
        """Return whether another caller started a lab: not this Hub, whose name in the service is ``by``."""
        if found.client and self._program and found.client != self._program:
            return True
        return bool(by and found.by and found.by != by)

    async def away(self, start: str | None, within: float, *, others: bool = False, by: str | None = None) -> None:
        """Stop it, and return once it is gone. With ``start``, only if that is the present one.

        With ``others``, what took the place of that start is stopped as well, unless another caller started it.

        Args:
            start: The start that is stopped; None for whichever is the present one.
            within: Seconds that it may take, beside the grace period that the service says its pods have.
            others: As above.
            by: Under which name the service has this Hub's starts.

        Raises:
            TimeoutError: It was not gone in time, or it is not known whether it is.

        """
        loop = asyncio.get_running_loop()
        end, wait = loop.time() + within, min(_WAIT, within / 2)
        async with asyncio.timeout_at(end) as limit:
            for each in (start, None) if start and others else (start,):
                while (left := await self._away(each, by, wait)) is not None:
                    limit.reschedule(max(limit.when() or end, end + left))
                    await asyncio.sleep(_PAUSE)

    async def _away(self, start: str | None, by: str | None, wait: float) -> float | None:
        """Stop it; return None once it is gone, or the grace period of its pods where that takes longer than ``wait``.

        Where it is not known whether it is gone, no grace period is known, either: 0.
        """
        try:
            client = await self._connect()
            if start is None:
                found = await client.lab(*self._where)
                if found.over or self.foreign(found, by):
                    return None
                start = found.start
            left = await client.stop_lab(*self._where, start=start, wait=wait)
        except (ClientError, MisconfiguredError) as error:
            if _gone(error):
                return None
            self._tell(error)
            return 0
        self.trouble = None
        return None if left is None else left.grace

    def _tell(self, error: Exception, progress: ProgressLog | None = None) -> None:
        """Log why the lab's state is not known, and show it to the user who waits; once for each reason."""
        trouble = diagnosed(error)
        if self.trouble is None or self.trouble.code != trouble.code:
            user, name = self._where
            cause = cause_of(trouble)
            self._log.warning("How %s's lab %s is cannot be known, and is asked again: %s", user, name, cause)
            if progress is not None:
                progress.report(_MISCONFIGURED if isinstance(trouble, MisconfiguredError) else _SILENT, warning=True)
        self.trouble = trouble


def started_by(found: Lab) -> str:
    """Name who started a lab, for messages."""
    program = f" ({found.client})" if found.client else ""
    return f"{found.by or 'another caller'}{program} started it."


def _gone(error: Exception) -> bool:
    """Return whether the service says that there is no such lab; under a name that it refuses, there cannot be one."""
    return isinstance(error, ProblemError) and (error.status, error.code) in {
        (HTTPStatus.NOT_FOUND, "lab_not_found"),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "name_invalid"),
    }
