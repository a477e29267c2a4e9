"""What the service does for a cluster while its user waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import quote

import aiohttp

from spawnpenny.clients.answers import Event
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.dask.place import Place
from spawnpenny.clients.errors import ClientError
from spawnpenny.clients.patience import Patience
from spawnpenny.clients.streams import follow

_QUIETLY: Final = 3.0
"""Seconds that a start takes before what happens is shown: who gets a cluster at once wants no lines about it."""
_FOR_USERS: Final = "info"
"""The events that tell a user what is waited for; the others say how far each step is."""


@asynccontextmanager
async def progress(
    place: Place, name: str, *, keep: Callable[[str], None], show: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Keep what happens to a cluster within the context; once that takes long, show what a user may want to know."""
    telling = _Telling(keep, show)
    timer = asyncio.get_running_loop().call_later(_QUIETLY, telling.begin)
    task = asyncio.create_task(_follow(place, name, telling)) if place.user else None
    try:
        yield
    finally:
        timer.cancel()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


class _Telling:
    def __init__(self, keep: Callable[[str], None], show: Callable[[str], None]) -> None:
        self._keep = keep
        self._show = show
        self._back: list[str] | None = []

    def say(self, event: Event) -> None:
        self._keep(event.message)
        if event.type != _FOR_USERS and event.severity is None:
            return
        if self._back is None:
            self._show(event.message)
        else:
            self._back.append(event.message)

    def begin(self) -> None:
        back, self._back = self._back or [], None
        for message in back:
            self._show(message)


async def _follow(place: Place, name: str, telling: _Telling) -> None:
    path = f"/v1/users/{quote(place.user or '', safe='')}/dask/{quote(name, safe='')}/events"
    with suppress(ClientError):  # the wait itself tells what went wrong
        async with aiohttp.ClientSession() as session:
            async for event in follow(Connection(session, place.url, place.token, Patience()), path):
                telling.say(event)
