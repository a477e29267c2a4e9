"""Loopback addresses for pods: one each, so that every pod can use the same port number; and for Services."""

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
"""The third numbers from 1 to this one are for pods, those after it for Services."""
_CLAIM_PORT: Final = 61_827
"""Above the ports that Linux hands out by itself."""
_SOCKETS: Final = Path("/proc/net/tcp")
_LISTENS: Final = "0A"


class Addresses:
    """The addresses 127.N.y.z, with an N of our own, while it is entered.

    N is claimed by binding a socket that nobody listens on to 127.N.0.1: the kernel refuses it to a second
    cluster and lets go of it whenever this process ends, however it ends. A network in which a program still
    listens is left alone: pods of a cluster that was killed would answer in place of ours.
    """

    def __init__(self) -> None:
        self._claim: socket.socket | None = None
        self._network = 0
        self._next = 0
        self._taken: set[str] = set()
        self._freed: deque[str] = deque()

    @property
    def host(self) -> str:
        return f"127.{self._network}.0.1"

    def __enter__(self) -> Self:
        """Claim an N.

        Raises:
            SettingsError: All are taken, or this machine has no 127.0.0.0/8.

        """
        count = _LAST - _FIRST + 1
        start = secrets.randbelow(count)
        busy = _networks_with_listeners()
        for offset in range(count):
            network = _FIRST + (start + offset) % count
            if network in busy:
                continue
            claim = _bind(f"127.{network}.0.1")
            if claim is not None:
                self._claim, self._network = claim, network
                return self
        raise SettingsError("Every network 127.N of this machine is in use by an embedded cluster: stop some of them.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._claim is not None:
            self._claim.close()

    def take(self) -> str:
        """Return an address that no pod has; one that was given back comes last, as its ports may linger."""
        if self._next < _PODS * _HOSTS:
            address = self._address(self._next)
            self._next += 1
        else:
            address = self._freed.popleft()
        self._taken.add(address)
        return address

    def of_service(self, name: str) -> str:
        """Return the address that goes with a name; another name can come to the same one."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % ((_HOSTS - _PODS) * _HOSTS)
        return self._address(_PODS * _HOSTS + number)

    def take_service(self, address: str) -> bool:
        """Take the address of a Service for a pod, unless a pod has it, or it is none."""
        parts = address.split(".")
        if address in self._taken or parts[:2] != ["127", str(self._network)] or int(parts[2]) <= _PODS:
            return False
        self._taken.add(address)
        return True

    def give_back(self, address: str) -> None:
        if address in self._taken:
            self._taken.remove(address)
            if int(address.split(".")[2]) <= _PODS:
                self._freed.append(address)

    def _address(self, number: int) -> str:
        return f"127.{self._network}.{number // _HOSTS + 1}.{number % _HOSTS + 1}"


def _networks_with_listeners() -> set[int]:
    """Return the N of all 127.N in which a program listens, as far as this machine says it (Linux does)."""
    try:
        lines = _SOCKETS.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return set()
    found = set()
    for line in lines:
        _, local, _, state, *_ = line.split()
        if state == _LISTENS:
            # The address is a number in the machine's own order of bytes: proc_pid_net(5).
            first, second, *_ = int(local.partition(":")[0], 16).to_bytes(4, sys.byteorder)
            if first == 127:  # noqa: PLR2004 - the loopback's
                found.add(second)
    return found


def _bind(address: str) -> socket.socket | None:
    claim = socket.socket()
    try:
        claim.bind((address, _CLAIM_PORT))
    except OSError as error:
        claim.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise SettingsError(
            f"This machine does not let a program listen on {address} ({error.strerror}). "
            "The embedded cluster needs all of 127.0.0.0/8 on the loopback, as Linux has it."
        ) from None
    return claim
