"""A listener that takes connections one by one, and backs off where descriptors run out."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.descriptors import Reserve
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.aio.unread import keep_unsent_low

Factory = Callable[[str], asyncio.Protocol]
"""Makes the protocol of a connection; it gets the caller's address."""
Handover = Callable[[socket.socket, str], None]
"""Takes a connection over as a socket, with the caller's address."""
_BACKLOG: Final = 1024
_AT_ONCE: Final = 64
_MOST_GREETING: Final = 500
"""TLS handshakes at once; beyond that the oldest is ended."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PASSING: Final = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.EHOSTUNREACH})
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_REPORT_EVERY: Final = 10.0


class Listener:
    """Accept connections on one host and port.

    Args:
        factory: Makes the protocol that serves a connection.
        serve: Serves a connection without a transport, in place of ``factory``; there is no TLS then.
        admit: Makes room for one more connection from an address; returns why there is none, or None.
        make_room: Ends a connection that nobody needs, where descriptors run out; returns whether there was one.
        tls: Where given, each connection begins with a handshake.
        handshake: Seconds that this may take.
        refused: Counts the connections that were closed at once, by the reason.
        unread: Seconds after which the system ends a connection whose caller takes nothing of what was sent.

    """

    def __init__(  # noqa: PLR0913 - one way to serve is given, and few of the rest
        self,
        factory: Factory | None = None,
        *,
        serve: Handover | None = None,
        admit: Callable[[str], str | None],
        make_room: Callable[[], bool],
        tls: ssl.SSLContext | None = None,
        handshake: float = 10.0,
        refused: Counter[str] | None = None,
        unread: float | None = None,
    ) -> None:
        self._refused: Counter[str] = Counter() if refused is None else refused
        self._factory = factory
        self._serve = serve
        self._admit = admit
        self._make_room = make_room
        self._tls = tls
        self._handshake = handshake
        self._unread = unread
        self._reserve = Reserve()
        self._sockets: list[socket.socket] = []
        self._greeting: dict[asyncio.Task[None], None] = {}
        self._part: Supervisor | None = None
        self._report_at = 0.0
        self._log = structlog.get_logger("spawnpenny.listener")

    @property
    def port(self) -> int:
        """The port: the first one if the host has several addresses."""
        return int(self._sockets[0].getsockname()[1])

    async def bind(self, host: str, port: int) -> None:
        """Listen; nothing is taken before ``start``.

        Raises:
            OSError: The port is taken, or the host is not this machine's.

        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_listening(family, kind, protocol, address))
        except OSError:
            self._close()
            raise

    def start(self, supervisor: Supervisor) -> None:
        """Take connections until ``close``."""
        self._part = supervisor.part()
        for number, listening in enumerate(self._sockets):
            name = f"listener at {self.port}" + (f" ({number + 1})" if number else "")
            accept = self._accept if self._serve is None else self._accept_to_serve
            self._part.supervise(name, lambda accept=accept, listening=listening: accept(listening))  # type: ignore[misc]

    async def close(self) -> None:
        """Stop listening. Open connections stay."""
        if self._part is not None:
            await self._part.close()
        self._close()
        greeting = tuple(self._greeting)
        for task in greeting:
            task.cancel()
        if greeting:
            await asyncio.wait(greeting)

    async def _accept(self, listening: socket.socket) -> None:
        loop, waits, taken = asyncio.get_running_loop(), pauses(_FIRST_PAUSE, _LONGEST_PAUSE), 0
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:
                if self._is_exhausted(error):
                    await asyncio.sleep(next(waits))
                continue
            waits = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            if self._admits(connection, str(address[0])):
                await self._take(connection, str(address[0]))
            taken += 1
            if not taken % _AT_ONCE:
                await asyncio.sleep(0)  # a flood of connections must not hold up all others

    async def _accept_to_serve(self, listening: socket.socket) -> None:
        """Accept connections in a callback of the loop, and serve them in their order."""
        loop, waits = asyncio.get_running_loop(), pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            stopped: asyncio.Future[None] = loop.create_future()
            loop.add_reader(listening.fileno(), self._accept_some, listening, stopped)
            began = loop.time()
            try:
                await stopped
            except OSError as error:
                if not self._is_exhausted(error):
                    continue
            finally:
                loop.remove_reader(listening.fileno())
            if loop.time() - began > _LONGEST_PAUSE:
                waits = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
            await asyncio.sleep(next(waits))

    def _accept_some(self, listening: socket.socket, stopped: asyncio.Future[None]) -> None:
        """Take the connections that wait, up to a number, as a flood of them must not hold up all others."""
        try:
            for _ in range(_AT_ONCE):
                connection, address = listening.accept()
                if self._admits(connection, str(address[0])) and self._serve is not None:
                    self._serve(connection, str(address[0]))
        except BlockingIOError:
            return
        except Exception as error:  # noqa: BLE001 - the waiter judges it
            if not stopped.done():
                stopped.set_exception(error)

    def _is_exhausted(self, error: OSError) -> bool:
        """Make room if an error says that no descriptor is free; return whether it does.

        Raises:
            OSError: Nothing can be accepted any more.

        """
        if error.errno in _EXHAUSTED:
            self._refuse("descriptors")
            self._make_room()
            return True
        if error.errno not in _PASSING:
            raise error
        return False

    def _close(self) -> None:
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    def _admits(self, connection: socket.socket, address: str) -> bool:
        """Prepare a new connection; close it, and count the reason, if there is no room for it."""
        connection.setblocking(False)
        if self._unread is not None:
            keep_unsent_low(connection, self._unread)
        reason = self._admit(address)
        if reason is None and self._reserve.is_touched_by(connection.fileno()) and not self._make_room():
            reason = "descriptors"
        if reason is not None:
            self._refuse(reason)
            connection.close()
        return reason is None

    async def _take(self, connection: socket.socket, address: str) -> None:
        if self._tls is None:
            await self._connect(connection, address)
        else:
            if len(self._greeting) >= _MOST_GREETING:
                next(iter(self._greeting)).cancel()
                self._refuse("handshakes")
            task = asyncio.create_task(self._greet(connection, address))
            self._greeting[task] = None
            task.add_done_callback(lambda task: self._greeting.pop(task, None))

    async def _connect(self, connection: socket.socket, address: str) -> None:
        loop, factory = asyncio.get_running_loop(), self._factory
        assert factory is not None  # noqa: S101 - else connections are handed over
        try:
            if self._tls is None:
                await loop.connect_accepted_socket(lambda: factory(address), connection)
            else:
                await loop.connect_accepted_socket(
                    lambda: factory(address), connection, ssl=self._tls, ssl_handshake_timeout=self._handshake
                )
        except OSError:  # the caller is gone, or speaks no TLS
            connection.close()

    async def _greet(self, connection: socket.socket, address: str) -> None:
        try:
            await self._connect(connection, address)
        except BaseException:
            connection.close()
            raise

    def _refuse(self, reason: str) -> None:
        """Count a refusal, and log it only now and then: a hostile peer could fill the log."""
        self._refused[reason] += 1
        now = asyncio.get_running_loop().time()
        if now >= self._report_at:
            self._report_at = now + _REPORT_EVERY
            self._log.warning("connections_refused", reason=reason, refused=self._refused.total())


def _listening(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made
