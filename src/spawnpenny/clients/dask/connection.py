"""The way to a scheduler: straight to its pod, or through the TLS proxy, which goes by the name in the handshake."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from distributed.comm import connect
from distributed.security import Security

from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Report

_STRAIGHT: Final = 3.0
"""Seconds in which a scheduler answers that can be reached straight. A network policy drops what it does not allow."""


class ClusterSecurity(Security):  # type: ignore[misc]  # distributed has no types
    """The TLS credentials of one cluster's user. Each handshake names the cluster, which only a proxy reads."""

    def get_connection_args(self, role: str) -> dict[str, Any]:
        # The TLS connector of distributed knows `server_hostname`; Security has no field that leads there.
        return {**super().get_connection_args(role), "server_hostname": self.extra_conn_args["server_hostname"]}


def security_of(report: Report) -> ClusterSecurity:
    """Return the credentials in a report of a running cluster.

    Raises:
        ClusterError: There are none.

    """
    if not (report.certificate and report.key):
        raise ClusterError(f"The service gives no certificate for the Dask cluster {report.name}.")
    return ClusterSecurity(
        require_encryption=True,
        tls_ca_file=report.certificate,
        tls_client_cert=report.certificate,
        tls_client_key=report.key,
        extra_conn_args={"server_hostname": f"daskgateway-{report.route}"},
    )


async def scheduler_of(report: Report, security: ClusterSecurity, proxy: str | None, straight: bool | None) -> str:
    """Return the address at which a scheduler is reached.

    Args:
        report: The cluster's.
        security: Its credentials.
        proxy: ``host:port`` of the proxy, if there is one.
        straight: Whether to go to the pod itself; None: where that works.

    Raises:
        ClusterError: There is no such way.

    """
    address = report.facts.get("scheduler")
    if address and (straight or not proxy or (straight is None and await _answers(address, security))):
        return str(address)
    if proxy and not straight:
        return f"tls://{proxy}"
    raise ClusterError(
        f"There is no way to the scheduler of {report.name}: give proxy=, the host:port of spawnpenny's TLS proxy."
    )


async def _answers(address: str, security: ClusterSecurity) -> bool:
    """Return whether it is there, with its certificate: an address may mean something else where we are."""
    try:
        async with asyncio.timeout(_STRAIGHT):
            comm = await connect(address, **security.get_connection_args("client"))
    except (OSError, TimeoutError, ValueError):  # distributed's own errors of comms are of OSError
        return False
    await comm.close()
    return True
