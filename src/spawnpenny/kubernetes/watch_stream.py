"""Parse the stream of a watch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aiohttp

from spawnpenny.kubernetes.api_errors import judge
from spawnpenny.kubernetes.errors import SilentStreamError, UnavailableError
from spawnpenny.kubernetes.interface import WatchEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from spawnpenny.kubernetes.calls import Call


async def events(call: Call, answer: aiohttp.ClientResponse) -> AsyncGenerator[WatchEvent, None]:
    """Yield the events of a watch's answer until it ends.

    Raises:
        ExpiredError: The version is too old.
        SilentStreamError: Nothing came for too long.
        UnavailableError: The stream broke.

    """
    try:
        async for line in split_stream(answer.content.iter_any()):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise judge(call, event["object"].get("code", 500), event["object"]).error
            yield WatchEvent(event["type"], event["object"])
    except aiohttp.SocketTimeoutError as error:
        raise SilentStreamError(f"The stream to {call} was silent for too long.", **call.facts()) from error
    except (aiohttp.ClientError, OSError) as error:
        raise UnavailableError(f"The stream to {call} broke ({type(error).__name__}).", **call.facts()) from error


async def split_stream(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield each line that is not empty, without its newline.

    A last line without a newline is dropped: the stream broke in it. (``StreamReader.readline`` has a limit
    that one large object exceeds.)
    """
    pending: list[bytes] = []
    async for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            whole = b"".join([*pending, line])
            pending.clear()
            if whole:
                yield whole
        if rest:
            pending.append(rest)
