"""Notes on settings that are allowed, and with which Dask clusters are rarely of use."""

from __future__ import annotations

from collections.abc import Iterator

from spawnpenny.api import Settings


def settings_notes(settings: Settings) -> Iterator[str]:
    """Yield the notes for ``spawnpenny check``."""
    gateway = settings.gateway
    if gateway.address is None:
        yield "gateway.address is not set: labs do not learn where to request Dask clusters."
    elif gateway.proxy_address is None:
        yield "gateway.proxy_address is not set: Dask clients look for schedulers at the port of gateway.address."
    offered = gateway.proxy_address is not None or gateway.public_address is not None
    scopes = {scope for token in settings.tokens.values() for scope in token.scopes}
    if offered and not scopes & {"routes", "admin"}:
        yield "No token has the scope routes: the proxy of Dask clusters cannot read its routes."
