"""The address of a caller, also behind proxies that the settings trust."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import islice
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from spawnpenny.settings.sections import WebSettings

FORWARDING: Final = ("X-Forwarded-For", "Forwarded")
"""The headers in which proxies note for whom they call."""
_Address = IPv4Address | IPv6Address
_MOST_HOPS: Final = 32
_FOR: Final = re.compile(r"""(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s]*))""", re.IGNORECASE)
_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::[\w.-]+)?|([0-9.]+):[\w.-]+")


class ClientAddresses:
    """Find the address of a caller: the peer of the connection, or the address that a trusted proxy reports.

    Proxies append the address that they were called from. So the header is read from its end, and the first address
    that is no trusted proxy is the caller; a caller may have invented what stands before it.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._trusted = tuple(ip_network(proxy) for proxy in settings.trusted_proxies)
        self._header = settings.forwarded_header

    def of(self, request: web.BaseRequest) -> str | None:
        """Return the address of the caller of a request, or None where it has none."""
        here = request.remote
        if here is None or not self.is_trusted(here):
            return here
        found = here
        for hop in islice(self._hops(request), _MOST_HOPS):
            address = _parse(hop)
            if address is None:
                break
            found = str(address)
            if not self._trusts(address):
                break
        return found

    def is_trusted(self, text: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        address = _parse(text)
        return address is not None and self._trusts(address)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)

    def _hops(self, request: web.BaseRequest) -> Iterator[str]:
        """Yield the addresses that proxies have noted, the last one first."""
        elements = _elements(reversed(request.headers.getall(self._header, [])))
        if self._header == "X-Forwarded-For":
            yield from elements
            return
        for element in elements:
            found = _FOR.search(element)
            yield (found[1] or found[2] or "") if found else ""


def forwarded(header: str, address: str) -> dict[str, str]:
    """Return the header by which a replica notes whose request it passes on."""
    if header == "X-Forwarded-For":
        return {header: address}
    return {header: f'for="[{address}]"' if ":" in address else f"for={address}"}


def _elements(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from (element.strip() for element in reversed(value.split(",")))


def _parse(text: str) -> _Address | None:
    """Return an address, without the port and the brackets that it may have; IPv4 in IPv6 as IPv4."""
    with_port = _WITH_PORT.fullmatch(text)
    plain = (with_port[1] or with_port[2]) if with_port else text
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
