"""Follow a stream of server-sent events through interruptions.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

import aiohttp

from spawnpenny.clients.answers import Event, read
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError, UnreachableError
from spawnpenny.clients.patience import Tries

_GONE: Final = frozenset({"lab_not_found", "dask_not_found", "user_not_found"})


async def follow(
    connection: Connection, path: str, *, after: str | None = None, query: Mapping[str, str] | None = None
) -> AsyncGenerator[Event]:
    """Yield the events of a stream, each once, until the service ends the stream or the spawn is gone.

    A stream that breaks, or ends because the service shuts down, is resumed after the last event.

    Args:
        connection: The connection to the service.
        path: The path of the events, percent-encoded.
        after: The id of an event; only later ones are yielded.
        query: The query parameters.

    Raises:
        ClientError: There is no answer within the patience of the connection, or a refusal.

    """
    tries, last = Tries(connection.patience), after
    while True:
        trouble: ClientError | None = UnreachableError("The event stream ended early.", sent=True)
        try:
            headers = {"Last-Event-ID": last} if last else {}
            async with connection.send("GET", path, query=query, headers=headers) as response:
                if response.status == HTTPStatus.NO_CONTENT:
                    return
                async with aclosing(_events(response)) as events:
                    async for event in events:
                        if last is not None and event.position <= Event.position_of(last):
                            continue  # sent again, as the service does not know the id of the last event
                        last, trouble = event.id, None
                        tries.again()
                        yield event
        except ClientError as error:
            if isinstance(error, ProblemError) and error.code in _GONE and last is not None:
                return
            trouble = error
        if trouble is not None:
            await tries.pause(trouble)


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[Event]:
    """Yield the complete events of a stream. An incomplete one comes again when the stream is resumed."""
    data: list[str] = []
    try:
        async for raw in response.content:
            line = raw.decode(errors="replace").rstrip("\r\n")
            if line.startswith("data:"):
                data.append(line.removeprefix("data:").removeprefix(" "))
            elif not line and data:
                yield read(Event, json.loads("\n".join(data)))
                data.clear()
    except (ValueError, UnexpectedAnswerError):
        raise UnexpectedAnswerError("The event stream is not from spawnpenny.") from None
