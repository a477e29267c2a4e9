"""Read the name of the server from the first message of a TLS connection.

https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2 and https://www.rfc-editor.org/rfc/rfc6066#section-3
"""

from __future__ import annotations

from typing import Final

MOST: Final = 32 * 1024
"""Bytes of a hello, with the records around it. Those of today are under 2 KiB."""
_HANDSHAKE: Final = 0x16
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_EXTENSION_HEADER: Final = 4
_LARGEST_RECORD: Final = 1 << 14
_MAJOR: Final = 3
_RANDOM: Final = 32
_LONGEST_SESSION: Final = 32
_PAST_THE_END: Final = "a length goes past the end"


class HelloError(Exception):
    """The bytes are no hello of TLS, or name no server. ``str(error)`` says what is wrong with them."""


class HelloReader:
    """Takes the bytes of a connection as they come, in whatever pieces, until the server's name is known."""

    def __init__(self) -> None:
        self._unread = bytearray()  # of the record that has begun
        self._message = bytearray()  # of the handshake, out of the records that are whole
        self._taken = 0

    def feed(self, data: bytes) -> str | None:
        """Return the server's name in lower case, or None as long as there has to come more.

        Raises:
            HelloError: It is no hello, or too large a one, or has no name of a server.

        """
        self._taken += len(data)
        self._unread += data
        self._read_records()
        if len(self._message) >= _MESSAGE_HEADER:
            size = int.from_bytes(self._message[1:_MESSAGE_HEADER])
            if self._message[0] != _CLIENT_HELLO:
                raise HelloError("the first message is no hello of a client")
            if size > MOST:
                raise HelloError("the hello is too large")
            if len(self._message) >= _MESSAGE_HEADER + size:
                return server_name(bytes(self._message[_MESSAGE_HEADER : _MESSAGE_HEADER + size]))
        if self._taken > MOST:
            raise HelloError("the hello is too large")
        return None

    def _read_records(self) -> None:
        while self._unread:
            if self._unread[0] != _HANDSHAKE or (len(self._unread) > 1 and self._unread[1] != _MAJOR):
                raise HelloError("this is no TLS")
            if len(self._unread) < _RECORD_HEADER:
                return
            size = int.from_bytes(self._unread[3:_RECORD_HEADER])
            if not 0 < size <= _LARGEST_RECORD:
                raise HelloError("a record has a wrong size")
            end = _RECORD_HEADER + size
            if len(self._unread) < end:
                return
            self._message += self._unread[_RECORD_HEADER:end]
            del self._unread[:end]
            if self._is_whole():
                return  # what follows, such as early data, is not ours to read

    def _is_whole(self) -> bool:
        message = self._message
        return len(message) >= _MESSAGE_HEADER and len(message) >= _MESSAGE_HEADER + int.from_bytes(
            message[1:_MESSAGE_HEADER]
        )


def server_name(hello: bytes) -> str:
    """Return the name of the server in the body of a ClientHello, in lower case.

    Raises:
        HelloError: There is none, or the body is not well formed.

    """
    body = _Reader(hello)
    body.take(2 + _RANDOM)
    if len(body.vector(1)) > _LONGEST_SESSION:
        raise HelloError("the session id is too long")
    if len(body.vector(2)) < 2 or not body.vector(1):  # noqa: PLR2004 - one cipher suite has two bytes
        raise HelloError("there is no cipher suite, or no compression method")
    extensions = body.vector(2) if body.left else b""
    if body.left:
        raise HelloError("something follows the extensions")
    found = [_host_name(content) for content in _extensions(extensions, _SERVER_NAME)]
    if len(found) != 1:
        raise HelloError("the server is named twice" if found else "no server is named")
    return found[0]


def _extensions(data: bytes, wanted: int) -> list[bytes]:
    """Return the contents of the extensions of one kind. Each hello has some twenty, so they are read in one loop."""
    found, at, end = [], 0, len(data)
    while at < end:
        begin = at + _EXTENSION_HEADER
        if begin > end:
            raise HelloError(_PAST_THE_END)
        kind, at = data[at] << 8 | data[at + 1], begin + (data[at + 2] << 8 | data[at + 3])
        if at > end:
            raise HelloError(_PAST_THE_END)
        if kind == wanted:
            found.append(data[begin:at])
    return found


def _host_name(extension: bytes) -> str:
    outer = _Reader(extension)
    names = _Reader(outer.vector(2))
    if outer.left:
        raise HelloError("something follows the server's name")
    kind, name = names.number(1), names.vector(2)
    if kind != _HOST_NAME or names.left or not name or not name.isascii():
        raise HelloError("the server's name is none")
    return name.decode("ascii").lower()


class _Reader:
    """Reads numbers and vectors off the front of some bytes, never past their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise HelloError(_PAST_THE_END)
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))
