"""Connections to a scheduler: directly to its pod, or through the TLS proxy, by the name in the handshake."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from distributed.comm import connect
from distributed.security import Security

from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Report

_STRAIGHT: Final = 3.0
"""Seconds for a direct connection to a scheduler. A network policy may drop its packets without an answer."""


class ClusterSecurity(Security):  # type: ignore[misc]  # distributed has no types
    """The user's TLS credentials for one cluster. Each handshake names the cluster, for the proxy."""

    def get_connection_args(self, role: str) -> dict[str, Any]:
        # distributed's TLS connector accepts `server_hostname`, but Security has no field for it.
        return {**super().get_connection_args(role), "server_hostname": self.extra_conn_args["server_hostname"]}


def security_of(report: Report) -> ClusterSecurity:
    """Return the credentials in the report of a running cluster.

    Raises:
        ClusterError: The report has none.

    """
    if not (report.certificate and report.key):
        raise ClusterError(f"The service sent no certificate for the Dask cluster {report.name}.")
    return ClusterSecurity(
        require_encryption=True,
        tls_ca_file=report.certificate,
        tls_client_cert=report.certificate,
        tls_client_key=report.key,
        extra_conn_args={"server_hostname": f"daskgateway-{report.route}"},
    )


async def scheduler_of(report: Report, security: ClusterSecurity, proxy: str | None, straight: bool | None) -> str:
    """Return the address by which to connect to a scheduler.

    Args:
        report: The report of the cluster.
        security: The credentials for the cluster.
        proxy: ``host:port`` of the proxy, if there is one.
        straight: Whether to connect directly to the pod; None: if that works.

    Raises:
        ClusterError: No such address is known.

    """
    address = report.facts.get("scheduler")
    if address and (straight or not proxy or (straight is None and await _answers(address, security))):
        return str(address)
    if proxy and not straight:
        return f"tls://{proxy}"
    raise ClusterError(
        f"The scheduler of {report.name} has no known address. Pass proxy=, the host:port of spawnpenny's TLS proxy."
    )


async def _answers(address: str, security: ClusterSecurity) -> bool:
    """Return whether the scheduler answers with its certificate: the address may belong to another machine here."""
    try:
        async with asyncio.timeout(_STRAIGHT):
            comm = await connect(address, **security.get_connection_args("client"))
    except (OSError, TimeoutError, ValueError):  # distributed's own errors of comms are OSErrors
        return False
    await comm.close()
    return True
