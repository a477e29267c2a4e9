"""A new connection, which first names its cluster, and is then joined with its scheduler."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from spawnpenny_dask_proxy.client_hello import MOST, HelloError, HelloReader
from spawnpenny_dask_proxy.dial import Dial
from spawnpenny_dask_proxy.splice import Splice

if TYPE_CHECKING:
    from spawnpenny_dask_proxy.passthrough import Passthrough
    from spawnpenny_dask_proxy.routes import Way


class Visitor:
    """One connection, from its first byte to its end."""

    def __init__(self, passthrough: Passthrough, connection: socket.socket, address: str) -> None:
        self.address = address
        self._passthrough = passthrough
        self._connection = connection
        self._loop = passthrough.splicing.loop
        self._hello: HelloReader | None = HelloReader()
        self._read_bytes = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._way: Way | None = None
        self._dial: Dial | None = None
        self._splice: Splice | None = None
        self._over = False

    def begin(self) -> None:
        """Read the hello. Most clients have sent it by now."""
        self._timer = self._loop.call_later(self._passthrough.limits.hello, self.cut)
        self._read()
        if self._hello is not None:
            self._loop.add_reader(self._connection.fileno(), self._read)

    def cut(self) -> None:
        """Close the connection at once, and all that belongs to it."""
        if self._over:
            return
        self._over = True
        self._greeted()
        if self._dial is not None:
            self._dial.cancel()
        if self._splice is not None:
            self._splice.cut()
        self._connection.close()
        if self._way is not None:
            self._way.cuts.discard(self.cut)
        self._passthrough.leave(self)

    def dial(self, way: Way, port: int) -> None:
        """Connect to a port of a scheduler. The connection is cut when the route ends."""
        if self._over:
            return
        self._way = way
        way.cuts.add(self.cut)
        self._dial = Dial(
            self._join, lambda why: self._passthrough.refuse(self, f"its scheduler does not answer: {why}")
        )
        self._dial.begin(way.route.address, port, self._passthrough.limits.dial)

    def _join(self, scheduler: socket.socket) -> None:
        self._dial = None
        self._splice = Splice(self._passthrough.splicing, self._connection, scheduler, self.cut)
        first, self._read_bytes = bytes(self._read_bytes), bytearray()
        self._splice.begin(first)

    def _read(self) -> None:
        hello = self._hello
        if hello is None:
            return
        try:
            data = self._connection.recv(MOST)
            name = hello.feed(data)
        except BlockingIOError:
            return
        except OSError:
            self.cut()
            return
        except HelloError as error:
            self._passthrough.refuse(self, str(error))
            return
        if not data:
            self.cut()
            return
        self._read_bytes += data
        if name is not None:
            self._greeted()
            self._passthrough.connect(self, name)

    def _greeted(self) -> None:
        """Stop reading until the connection to the scheduler is open."""
        if self._hello is None:
            return
        self._hello = None
        self._loop.remove_reader(self._connection.fileno())
        self._passthrough.greeted(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
