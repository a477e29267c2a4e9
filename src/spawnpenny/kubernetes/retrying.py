"""Retry calls to an HTTP API while the fault may be a passing one, for a limited time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import aiohttp
import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.api_errors import ALWAYS, NEVER, Fault, judge, read_status
from spawnpenny.kubernetes.calls import Meter, NoMeter
from spawnpenny.kubernetes.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from spawnpenny.kubernetes.calls import Call

T = TypeVar("T")

_SUCCESS: Final = range(200, 300)
_FIRST_PAUSE: Final = 0.05
_LEAST: Final = 0.1
_FIRST_PAUSE_OF_A_RACE: Final = 0.01  # what settles mostly does within milliseconds
_LONGEST_PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API server.

    A ``streamed`` answer has no end in sight and must not delay other requests. Nothing may delay an ``urgent`` one.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    content_type: str = "application/json"
    accept: str = "application/json"
    streamed: bool = False
    urgent: bool = False


@dataclass(slots=True)
class _Tries:
    count: int = 0


class Transport(Protocol):
    async def send(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Send a request once; the caller reads and closes the answer."""
        ...


class Retrying:
    """Sends through a transport.

    Args:
        transport: Sends once.
        timeout: Seconds for one try.
        patience: Seconds for all tries of a call.
        meter: Notified of each call.

    """

    def __init__(self, transport: Transport, *, timeout: float, patience: float, meter: Meter | None = None) -> None:
        self._transport = transport
        self._timeout = timeout
        self._patience = patience
        self._meter = meter or NoMeter()
        self._log = structlog.stdlib.get_logger(__name__)

    async def call(self, call: Call, request: Request) -> bytes:
        """Return the body of the answer.

        Raises:
            SpawnpennyError: What ``api_errors.judge`` makes of the last answer.

        """

        async def once(seconds: float) -> bytes | Fault:
            async with await self._transport.send(request, aiohttp.ClientTimeout(total=seconds)) as answer:
                body = await answer.read()
            return body if answer.status in _SUCCESS else _fault(call, answer, body)

        return await self._until_answered(call, once)

    async def open(self, call: Call, request: Request, *, silence: float) -> aiohttp.ClientResponse:
        """Return an answer whose body is to come, with silences of so many seconds; the caller closes it."""

        async def once(seconds: float) -> aiohttp.ClientResponse | Fault:
            endless = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=silence)
            async with asyncio.timeout(seconds):
                answer = await self._transport.send(request, endless)
                if answer.status in _SUCCESS:
                    return answer
                async with answer:
                    return _fault(call, answer, await answer.read())

        return await self._until_answered(call, once)

    async def _until_answered(self, call: Call, once: Callable[[float], Awaitable[T | Fault]]) -> T:
        began, outcome, tries = time.monotonic(), "cancelled", _Tries()
        try:
            answer = await self._try(call, once, began, tries)
        except SpawnpennyError as error:
            outcome = error.code
            raise
        else:
            outcome = "ok"
            return answer
        finally:
            seconds = time.monotonic() - began
            self._meter.called(call, outcome=outcome, seconds=seconds, retries=max(0, tries.count - 1))

    async def _try(self, call: Call, once: Callable[[float], Awaitable[T | Fault]], began: float, tries: _Tries) -> T:
        faults = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        races = pauses(_FIRST_PAUSE_OF_A_RACE, _LONGEST_PAUSE)
        while True:
            tries.count += 1
            left = self._patience - (time.monotonic() - began)
            # Never 0 or less: for aiohttp that means no limit.
            result = await self._once(call, once, max(min(self._timeout, left), _LEAST))
            if not isinstance(result, Fault):
                return result
            pause = next(races) if result.window < ALWAYS else next(faults)
            pause = max(pause, result.retry_after or 0)
            if time.monotonic() - began + pause >= min(result.window, self._patience):
                raise result.error
            self._log.debug("cluster_call_retried", call=str(call), pause=round(pause, 3), reason=result.error.code)
            await asyncio.sleep(pause)

    @staticmethod
    async def _once(call: Call, once: Callable[[float], Awaitable[T | Fault]], seconds: float) -> T | Fault:
        try:
            async with asyncio.timeout(seconds + _LEAST):  # also over what the transport does around the request
                return await once(seconds)
        except TimeoutError:
            return _silent(call, f"no answer within {seconds:.0f} s", ALWAYS)
        except aiohttp.ClientConnectorCertificateError:
            return _silent(call, "its certificate is not one that we trust", NEVER)
        except (aiohttp.ClientError, OSError) as error:
            # The class says enough, and the text of some (a bad header) quotes what was sent.
            return _silent(call, f"the connection failed ({type(error).__name__})", ALWAYS)


def _silent(call: Call, why: str, window: float) -> Fault:
    return Fault(UnavailableError(f"The cluster did not {call}: {why}.", **call.facts()), window)


def _fault(call: Call, answer: aiohttp.ClientResponse, body: bytes) -> Fault:
    return judge(call, answer.status, read_status(body), answer.headers)
