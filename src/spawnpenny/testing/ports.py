"""Ports for servers that a test starts."""

from __future__ import annotations

import os
import socket
from collections import deque
from functools import cache
from typing import Final

LOOPBACK: Final = "127.0.0.1"

_HELD: Final = 256


def free_ports(count: int) -> list[int]:
    """Return so many different ports of the loopback address that nobody listens on.

    They stay reserved for servers that set ``SO_REUSEADDR``, as servers do: Linux gives none of them to another
    caller, nor to a connection as its own end. Only the last 256 of a process are reserved.
    """
    return [_reserve() for _ in range(count)]


def _reserve() -> int:
    held = _descriptors()
    if len(held) == _HELD:
        os.close(held.popleft())
    with socket.socket() as reserved:
        # A socket that is bound and does not listen: with this option, a server can bind its port beside it.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((LOOPBACK, 0))
        port: int = reserved.getsockname()[1]
        held.append(reserved.detach())
    return port


@cache
def _descriptors() -> deque[int]:
    """Return the sockets that this process holds: they have to outlive the caller, who only knows numbers."""
    return deque()
