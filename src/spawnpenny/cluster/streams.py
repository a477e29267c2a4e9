"""What comes over a watch's stream."""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from spawnpenny.cluster.port import WatchEvent
from spawnpenny.cluster.refusals import judge
from spawnpenny.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    from spawnpenny.cluster.calls import Call


async def events(call: Call, answer: aiohttp.ClientResponse) -> AsyncGenerator[WatchEvent, None]:
    """Yield the events of a watch's answer until it ends.

    Raises:
        ExpiredError: The version is too old.
        UnavailableError: The stream broke, or was silent for too long.

    """
    try:
        async for line in lines(answer.content.iter_any()):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise judge(call, event["object"].get("code", 500), event["object"]).error
            yield WatchEvent(event["type"], event["object"])
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError, after too long a silence, is an OSError
        raise UnavailableError(
            f"The stream to {call} broke ({type(error).__name__}).", **call.facts()
        ) from error


def notice_a_dead_peer(answer: aiohttp.ClientResponse) -> None:
    """Let the system find out within a minute that the peer is gone: from here, that looks like no events."""
    connection = answer.connection
    peer = connection.transport.get_extra_info("socket") if connection and connection.transport else None
    if peer is not None and hasattr(socket, "TCP_KEEPIDLE"):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


@asynccontextmanager
async def streaming(answer: aiohttp.ClientResponse) -> AsyncIterator[aiohttp.ClientResponse]:
    """Read an answer for a while, and drop its connection at once if it has not ended then.

    A TLS connection that is closed politely waits for the peer's goodbye, which may come after the end of our
    event loop.
    """
    try:
        yield answer
    finally:
        if answer.connection and answer.connection.transport:
            answer.connection.transport.abort()
        answer.close()


def break_off(answer: aiohttp.ClientResponse) -> None:
    """Drop the connection of a stream that is not read to its end: a TLS farewell would outlive the session."""
    connection = answer.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


async def lines(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield each line that is not empty, without its newline.

    A last line without a newline is dropped: the stream broke in it. (``StreamReader.readline`` has a limit
    that one large object exceeds.)
    """
    begun: list[bytes] = []
    async for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            whole = b"".join([*begun, line])
            begun.clear()
            if whole:
                yield whole
        if rest:
            begun.append(rest)
