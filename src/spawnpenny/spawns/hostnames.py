"""Host names by which a spawn's pods are reached by TLS: known from names alone, before any object exists."""

from __future__ import annotations

from ipaddress import ip_address

from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import Key
from spawnpenny.spawns.errors import TlsUnsupportedError
from spawnpenny.spawns.service_context import ServiceContext


def hostnames(service_context: ServiceContext, username: str, key: Key) -> tuple[str, ...]:
    """Return the subject alternative names that the certificate of a spawn needs, as ``DNS:…`` or ``IP:…``.

    Raises:
        TlsUnsupportedError: No step of the pipeline serves TLS.

    """
    names = Names.of(username, key.kind, key.name, prefix=service_context.settings.namespaces.prefix)
    services = [
        service for step in service_context.plugins.pipelines[key.kind].steps for service in step.services(names)
    ]
    if not services:
        raise TlsUnsupportedError(key.kind)
    return tuple(_alternative_name(service_context.cluster.service_host(names.namespace, each)) for each in services)


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"
