"""Limits of the proxy: counts and timeouts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """Bounds of the proxy: counts at once, times in seconds.

    ``connections`` are passed through in all, ``of_cluster`` to one cluster. ``greeting`` have not said where to yet,
    in all (then the oldest gives way), ``of_address`` from one address; each has ``hello`` seconds for that. A
    connection waits ``unknown`` seconds for a cluster that is not known, ``dial`` for its scheduler. One that only one
    side still speaks on is cut after ``half`` seconds without a byte. ``requests`` and ``sockets`` are of one user's
    dashboards, ``dashboards`` and ``all_sockets`` in all: of each websocket a message is held until it is whole, so
    these bound the memory. Dashboards are shown as long as the service was heard of within ``fresh`` seconds:
    another pod may have got the address since.
    """

    connections: int = 10_000
    of_cluster: int = 200
    greeting: int = 1000
    of_address: int = 100
    hello: float = 10.0
    unknown: float = 1.0
    dial: float = 5.0
    half: float = 120.0
    requests: int = 64
    sockets: int = 24
    all_sockets: int = 160
    dashboards: int = 2000
    fresh: float = 60.0
