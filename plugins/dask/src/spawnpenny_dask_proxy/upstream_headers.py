"""The headers that the proxy adds to requests for a dashboard, by which it knows its user.

The service has them. The proxy keeps them in memory with the route, and shows them to no browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from spawnpenny.api.serving import Connection
from spawnpenny_dask_proxy.routes import Way

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4095}[\x21-\x7e])?", re.ASCII)
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class HeadersError(Exception):
    """The service has no headers for this pod."""


class UpstreamHeaders:
    """Reads the headers for dashboards from the service, once a route, also after a restart of the proxy."""

    def __init__(self, service: Connection) -> None:
        self._service = service

    async def of(self, way: Way) -> Mapping[str, str]:
        """Return the headers for requests to the dashboard of a way.

        Raises:
            HeadersError: The service has none for this pod.
            ClientError: The service does not answer, or refuses.

        """
        if way.route.headers is None:
            return {}
        async with way.reading:
            if not way.headers:
                way.headers.update(_checked(way, await self._service.ask("GET", way.route.headers)))
            return dict(way.headers)

    @staticmethod
    def note(way: Way, status: int) -> None:
        """Note the status of a dashboard's answer: after a refusal, the headers are read anew."""
        if status in _REFUSED:
            way.headers.clear()


def _checked(way: Way, answer: Mapping[str, Any] | None) -> dict[str, str]:
    headers = answer.get("headers") if answer is not None and answer.get("uid") == way.route.uid else None
    if not isinstance(headers, dict) or not headers:
        raise HeadersError("the service has no headers for this pod")
    if not all(_NAME.fullmatch(str(name)) and _VALUE.fullmatch(str(value)) for name, value in headers.items()):
        raise HeadersError("the service has headers that cannot be sent")
    return {str(name): str(value) for name, value in headers.items()}
