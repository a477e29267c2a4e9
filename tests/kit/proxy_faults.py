"""Faults that a ``FaultProxy`` can inject into a request, as networks and API servers cause them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from tests.kit.proxied_request import ProxiedRequest

_REASONS: Final = {401: "Unauthorized", 410: "Expired", 429: "TooManyRequests", 503: "ServiceUnavailable"}


class ProxyFault(Protocol):
    """A fault to inject into a request."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse: ...


@dataclass(frozen=True, slots=True)
class Drop:
    """Take the request and never answer; the connection stays open."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        return await request.hang()


@dataclass(frozen=True, slots=True)
class Delay:
    """Pass the request on so many seconds later."""

    seconds: float

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        await asyncio.sleep(self.seconds)
        return await request.pass_on()


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off before anything is done."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        return await request.reset()


@dataclass(frozen=True, slots=True)
class Lose:
    """Carry the request out, and lose the answer."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        await request.carried_out()
        return await request.reset()


@dataclass(frozen=True, slots=True)
class Cut:
    """Carry the request out, and end in the middle of the answer."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        upstream, piece = await request.first_piece()
        answer = await request.begin(upstream.status, upstream.headers)
        await answer.write(piece[: len(piece) // 2])
        return await request.end()


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with a status of the API server's own; ``retry_after`` is in seconds."""

    status: int
    retry_after: int | None = None

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return web.json_response(_status(self.status), status=self.status, headers=headers)


@dataclass(frozen=True, slots=True)
class Expire:
    """Open a watch, and say in it that its version is too old."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        answer = await request.begin(200)
        await answer.write(json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n")
        return answer


@dataclass(frozen=True, slots=True)
class Hush:
    """Open a stream on which nothing comes."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        await request.begin(200)
        return await request.hang()


@dataclass(frozen=True, slots=True)
class CloseEmpty:
    """Open a stream and end it without a word."""

    async def apply(self, request: ProxiedRequest) -> web.StreamResponse:
        return await request.begin(200)


def _status(code: int) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": _REASONS.get(code, "InternalError"),
        "message": "the test's proxy answers so",
        "code": code,
    }
