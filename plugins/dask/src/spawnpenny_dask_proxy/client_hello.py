"""Read the server's name from the first message of a TLS connection.

https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2 and https://www.rfc-editor.org/rfc/rfc6066#section-3
"""

from __future__ import annotations

from typing import Final

MOST: Final = 32 * 1024
"""The largest accepted hello in bytes, with its records. Usual ones are under 2 KiB."""
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
    """The bytes are no TLS hello, or name no server. ``str(error)`` says what is wrong."""


class HelloReader:
    """Reader of the bytes of a connection, in pieces of any size, until the server's name is known."""

    def __init__(self) -> None:
        self._unread = bytearray()  # of the incomplete record
        self._message = bytearray()  # of the handshake, from complete records
        self._taken = 0

    def feed(self, data: bytes) -> str | None:
        """Return the server's name in lower case; None while bytes are missing.

        Raises:
            HelloError: The bytes are no hello, or it is too large, or it names no server.

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
            if self._is_complete():
                return  # leave what follows, such as early data, to the scheduler

    def _is_complete(self) -> bool:
        message = self._message
        return len(message) >= _MESSAGE_HEADER and len(message) >= _MESSAGE_HEADER + int.from_bytes(
            message[1:_MESSAGE_HEADER]
        )


def server_name(hello: bytes) -> str:
    """Return the server's name in the body of a ClientHello, in lower case.

    Raises:
        HelloError: The body names no server, or is malformed.

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


def _extensions(data: bytes, kind: int) -> list[bytes]:
    """Return the contents of the extensions of a kind. One loop reads them, as each hello has some twenty."""
    found, at, end = [], 0, len(data)
    while at < end:
        begin = at + _EXTENSION_HEADER
        if begin > end:
            raise HelloError(_PAST_THE_END)
        found_kind, at = data[at] << 8 | data[at + 1], begin + (data[at + 2] << 8 | data[at + 3])
        if at > end:
            raise HelloError(_PAST_THE_END)
        if found_kind == kind:
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
    """Reader of numbers and vectors from the front of some bytes, never past their end."""

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
