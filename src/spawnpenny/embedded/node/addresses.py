"""Loopback addresses of pods and Services: each pod has its own, so that all can use the same port number."""

from __future__ import annotations

import errno
import hashlib
import secrets
import socket
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from spawnpenny.errors import SettingsError

if TYPE_CHECKING:
    from types import TracebackType

_FIRST, _LAST = 64, 254
_HOSTS: Final = 254
_PODS: Final = 127
"""Third numbers up to this one are for pods, higher ones for Services."""
_RESERVED_PORT: Final = 61_827
"""A port above the range from which Linux chooses free ports."""
_SOCKETS: Final = Path("/proc/net/tcp")
_LISTENS: Final = "0A"


class Addresses:
    """The addresses 127.N.y.z, with an N that only this cluster uses, while it is entered.

    N is reserved by a socket that is bound to 127.N.0.1 without listening: the kernel refuses it to a second cluster,
    and frees it however this process ends. A network in which a program still listens is not used, as pods of a killed
    cluster would answer instead of ours.
    """

    def __init__(self) -> None:
        self._reserved: socket.socket | None = None
        self._network = 0
        self._next = 0
        self._taken: set[str] = set()
        self._freed: deque[str] = deque()

    @property
    def host(self) -> str:
        return f"127.{self._network}.0.1"

    def __enter__(self) -> Self:
        """Reserve an N.

        Raises:
            SettingsError: All are in use, or this machine does not have all of 127.0.0.0/8.

        """
        count = _LAST - _FIRST + 1
        start = secrets.randbelow(count)
        busy = _networks_with_listeners()
        for offset in range(count):
            network = _FIRST + (start + offset) % count
            if network in busy:
                continue
            reserved = _bind(f"127.{network}.0.1")
            if reserved is not None:
                self._reserved, self._network = reserved, network
                return self
        raise SettingsError("Every network 127.N of this machine is in use by an embedded cluster. Stop some of them.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reserved is not None:
            self._reserved.close()

    def take(self) -> str:
        """Take an address that no pod has; released addresses come last, as their ports may linger."""
        if self._next < _PODS * _HOSTS:
            address = self._address(self._next)
            self._next += 1
        else:
            address = self._freed.popleft()
        self._taken.add(address)
        return address

    def of_service(self, name: str) -> str:
        """Return the address of a Service by its name; two names may have the same address."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % ((_HOSTS - _PODS) * _HOSTS)
        return self.numbered_service(number)

    def numbered_service(self, number: int) -> str:
        """Return an address of Services by its number."""
        return self._address(_PODS * _HOSTS + number)

    def take_service(self, address: str) -> bool:
        """Take the address of a Service for a pod; return False if a pod has it, or it is no such address."""
        parts = address.split(".")
        if address in self._taken or parts[:2] != ["127", str(self._network)] or int(parts[2]) <= _PODS:
            return False
        self._taken.add(address)
        return True

    def release(self, address: str) -> None:
        if address in self._taken:
            self._taken.remove(address)
            if int(address.split(".")[2]) <= _PODS:
                self._freed.append(address)

    def _address(self, number: int) -> str:
        return f"127.{self._network}.{number // _HOSTS + 1}.{number % _HOSTS + 1}"


def _networks_with_listeners() -> set[int]:
    """Return every N of 127.N in which a program listens; none where the machine does not report it (Linux does)."""
    try:
        table = _SOCKETS.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return set()
    found = set()
    for line in table:
        _, local, _, state, *_ = line.split()
        if state == _LISTENS:
            # The address is a number in the byte order of the machine: proc_pid_net(5).
            first, second, *_ = int(local.partition(":")[0], 16).to_bytes(4, sys.byteorder)
            if first == 127:  # noqa: PLR2004 - the loopback network
                found.add(second)
    return found


def _bind(address: str) -> socket.socket | None:
    reserved = socket.socket()
    try:
        reserved.bind((address, _RESERVED_PORT))
    except OSError as error:
        reserved.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise SettingsError(
            f"This machine does not let a program listen on {address} ({error.strerror}). "
            "The embedded cluster needs all of 127.0.0.0/8 on the loopback, as on Linux."
        ) from None
    return reserved
