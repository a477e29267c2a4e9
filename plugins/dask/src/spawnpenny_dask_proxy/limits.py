"""Limits of the proxy: counts and timeouts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """Bounds of the proxy. Counts are of what is open at once, times are in seconds.

    Attributes:
        connections: TLS connections in all.
        of_cluster: TLS connections to one cluster.
        greeting: Connections that have not named their cluster yet. Beyond that, the oldest is closed.
        of_address: The same, from one address.
        hello: Time to name the cluster.
        unknown: Time to wait for a cluster without a known route.
        dial: Time to connect to a scheduler.
        half: Time without a byte after which a connection is closed that one side has ended.
        requests: Requests to the dashboards of one user.
        sockets: Websockets to the dashboards of one user.
        all_sockets: Websockets in all. The proxy holds a message until it is complete, so this bounds its memory.
        dashboards: Requests to dashboards in all.
        fresh: Time without news of the service after which no dashboard is shown, as another pod may have the address.
        fresh_with_headers: The same for dashboards to which the proxy adds a credential of their user. The service is
            heard of every 15 seconds, so this is little more.

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
    fresh_with_headers: float = 20.0
