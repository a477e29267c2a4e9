"""A proxy between a client and a real API server that injects the faults of a test."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from aiohttp import web

from spawnpenny.kubernetes.sockets import Sockets
from tests.kit.proxied_request import ProxiedRequest, RequestTarget
from tests.kit.proxy_faults import ProxyFault, Refuse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    Matcher = Callable[[RequestTarget], bool]

_LOOPBACK: Final = "127.0.0.1"
_NO_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


def is_call(target: RequestTarget) -> bool:
    """Take whatever is no watch."""
    return not target.watch


def is_watch(target: RequestTarget) -> bool:
    """Take watches."""
    return target.watch


def changes(target: RequestTarget) -> bool:
    """Take what changes something."""
    return target.changes


@dataclass
class Armed:
    """A fault that waits for its requests.

    ``seen`` are the requests that matched since it was armed, ``struck`` those of them that it was done to.
    """

    fault: ProxyFault | None
    matches: Matcher
    at: int = 0
    times: int | None = 1
    seen: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_struck(self, times: int = 1) -> None:
        """Wait until it was done to so many requests."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.struck) >= times)

    async def until_seen(self, times: int = 1) -> None:
        """Wait until so many requests have matched."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.seen) >= times)

    async def take(self, target: RequestTarget) -> bool:
        """Count a request; return whether the fault applies to it."""
        if not self.matches(target):
            return False
        number = len(self.seen)
        self.seen.append(str(target))
        strikes = self.at <= number and (self.times is None or number < self.at + self.times)
        strikes = strikes and self.fault is not None
        if strikes:
            self.struck.append(str(target))
        async with self._changed:
            self._changed.notify_all()
        return strikes


class FaultProxy:
    """Passes requests on to an API server for as long as the context lasts, and does to some what it was armed with.

    With ``token``, clients that show another one are answered 401.

    Args:
        url: Of the API server.
        ssl_context: With the certificate of the user for whom requests are passed on, as ``ApiServer.ssl_context``
            has it: whatever credentials a client of the proxy shows are left out.
        listen: What to serve TLS with, as ``ApiServer.server_context()`` has it; plain HTTP without.
        ca: The file of the authority that clients are to trust, with TLS.

    """

    def __init__(
        self,
        url: str,
        ssl_context: ssl.SSLContext,
        *,
        listen: ssl.SSLContext | None = None,
        ca: Path | None = None,
    ) -> None:
        self.upstream = url
        self.token: str | None = None
        self._ssl = ssl_context
        self._listen = listen
        self._ca = ca
        self._armed: list[Armed] = []
        self._under_way: set[ProxiedRequest] = set()
        self._ended = asyncio.Condition()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            sockets = Sockets()
            stack.push_async_callback(sockets.close)
            connector = aiohttp.TCPConnector(ssl=self._ssl, limit=0, socket_factory=sockets)
            self.http = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=connector,
                    auto_decompress=False,
                    skip_auto_headers=_NO_HEADERS,
                    timeout=aiohttp.ClientTimeout(total=None),
                )
            )
            self._server = web.Server(self._handle, handler_cancellation=True, access_log=None)
            runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, _LOOPBACK, 0, ssl_context=self._listen).start()
            scheme = "https" if self._listen else "http"
            self.url = f"{scheme}://{_LOOPBACK}:{runner.addresses[0][1]}"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def arm(self, fault: ProxyFault | None, *, on: Matcher = is_call, at: int = 0, times: int | None = 1) -> Armed:
        """Apply a fault to the matching request of that number (from 0, counted from now) and to those after it.

        Args:
            fault: One of ``tests.kit.proxy_faults``; None only counts.
            on: Which requests match; what was armed first is asked first.
            at: Which of them is the first.
            times: To how many it is done; None until ``disarm``.

        """
        armed = Armed(fault, on, at, times)
        self._armed.append(armed)
        return armed

    def disarm(self) -> None:
        """Pass on everything from now on; what hangs goes on hanging."""
        self._armed.clear()

    def hush(self) -> None:
        """Silence the watches that are open; later ones are not concerned."""
        for stream in self.streams:
            stream.hushed = True

    def break_streams(self) -> None:
        """Reset the watches that are open."""
        for stream in self.streams:
            stream.break_off()

    async def until_quiet(self) -> None:
        """Wait until nothing but watches is under way."""
        async with self._ended:
            await self._ended.wait_for(lambda: self._under_way == self.streams)

    @property
    def streams(self) -> set[ProxiedRequest]:
        """The watches that are open now."""
        return {proxied for proxied in self._under_way if proxied.target.watch}

    @property
    def connections(self) -> int:
        """The number of connections that clients have open."""
        return len(self._server.connections)

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig with which a client finds the proxy; its token is in the file ``token`` beside it.

        Another token may be written there at any time.
        """
        cluster: dict[str, Any] = {"server": self.url}
        if self._ca is not None:
            cluster["certificate-authority-data"] = b64encode(self._ca.read_bytes()).decode()
        (folder / "token").write_text(self.token or "any")
        path = folder / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "proxy", "cluster": cluster}],
                    "users": [{"name": "test", "user": {"tokenFile": str(folder / "token")}}],
                    "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "test"}}],
                    "current-context": "proxy",
                }
            )
        )
        return path

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        proxied = ProxiedRequest(self, request)
        self._under_way.add(proxied)
        try:
            return await (await self._fault(proxied.target, request)).apply(proxied)
        except aiohttp.ClientError:  # the API server broke off, and so do we
            return await proxied.reset()
        finally:
            self._under_way.discard(proxied)
            async with self._ended:
                self._ended.notify_all()

    async def _fault(self, target: RequestTarget, request: web.BaseRequest) -> ProxyFault:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return Refuse(401)
        strikes = [armed for armed in self._armed if await armed.take(target)]
        return (strikes[0].fault if strikes else None) or _PassOn()


class _PassOn:
    async def apply(self, proxied: ProxiedRequest) -> web.StreamResponse:
        return await proxied.pass_on()
