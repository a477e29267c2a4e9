"""Follow the events of a cluster, and notice its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from spawnpenny.clients.answers import Event
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Gateway
from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.patience import Patience
from spawnpenny.clients.streams import follow

_PAUSE: Final = 5.0
"""Seconds until the next attempt to open a stream. The service is away, or too many streams are open."""
_MOST: Final = 1000
_WARNING: Final = "warning"
_OVER: Final = {"failed": "has failed", "undoing": "has failed", "exited": "has ended", "stopping": "is being stopped"}


@dataclass(frozen=True, slots=True)
class End:
    """The end of a cluster. ``message`` is a sentence, with the reason if there is one."""

    failed: bool
    message: str


class ClusterWatch:
    """The events of one cluster, and its end.

    Attributes:
        end: The end of the cluster; None while it exists.
        ended: Set once the cluster has ended and ``on_end`` has returned.

    """

    def __init__(self, gateway: Gateway, name: str, on_event: Callable[[Event], None]) -> None:
        self.end: End | None = None
        self.ended = asyncio.Event()
        self._found = asyncio.Event()
        self._gateway = gateway
        self._name = name
        self._on_event = on_event
        self._events: deque[Event] = deque(maxlen=_MOST)
        self._trouble: Event | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def events(self) -> list[Event]:
        """The events so far, the oldest first."""
        return list(self._events)

    @property
    def trouble(self) -> Event | None:
        """The last event, if it is a warning, and its trouble is not known to be over."""
        return self._trouble

    def all_is_well(self) -> None:
        """Note that the cluster has all its desired workers."""
        self._trouble = None

    def start(self, on_end: Callable[[End], Awaitable[None]]) -> None:
        """Follow the cluster until it ends, then await ``on_end``."""
        self._task = asyncio.create_task(self._run(on_end))

    async def stop(self) -> None:
        """Stop following the cluster."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def look(self) -> bool:
        """Ask the service whether the cluster has ended."""
        if self.end is None:
            with suppress(ClientError):
                end = await self._look()
                if end is not None and self.end is None:
                    self.end = end
                    self._found.set()
        return self.end is not None

    async def _run(self, on_end: Callable[[End], Awaitable[None]]) -> None:
        following = asyncio.create_task(self._follow())
        try:
            await self._found.wait()
        finally:
            following.cancel()
            await asyncio.wait([following])
        try:
            if self.end is not None:
                await on_end(self.end)
        finally:
            self.ended.set()

    async def _follow(self) -> None:
        while self.end is None:
            try:
                await self._follow_once()
            except ClientError:
                await asyncio.sleep(_PAUSE)
            if not await self.look():
                await asyncio.sleep(_PAUSE)

    async def _follow_once(self) -> None:
        service = self._gateway.service
        path = await self._gateway.path_of(self._name)
        after = self._events[-1].id if self._events else None
        async with aiohttp.ClientSession() as session:
            connection = Connection(session, service.url, service.token, Patience())
            async for event in follow(connection, f"{path}/events", after=after, query={"follow": "true"}):
                self._events.append(event)
                self._trouble = event if event.severity == _WARNING else None
                self._on_event(event)
                if event.phase in _OVER:
                    await self.look()

    async def _look(self) -> End | None:
        try:
            view = await self._gateway.view(self._name)
        except (ClusterError, ProblemError) as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return End(failed=False, message=f"The Dask cluster {self._name} is gone: it was stopped.")
            raise
        phase, reason = view["phase"], view["reason"]
        if phase not in _OVER:
            return None
        words = [f"The Dask cluster {self._name} {_OVER[phase]}."]
        if reason:
            words += [reason["message"], *filter(None, [reason.get("advice")])]
        return End(failed=phase in {"failed", "undoing"}, message=" ".join(words))
