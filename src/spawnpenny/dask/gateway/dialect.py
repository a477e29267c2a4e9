"""The dialect of the dask-gateway protocol: its error bodies, and its cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spawnpenny.dask.gateway.cookies import GatewayCookies, is_from_page, sent_cookie, set_cookie
from spawnpenny.dask.gateway.errors import is_gateways, refusal

if TYPE_CHECKING:
    from aiohttp import web


class GatewayDialect:
    """Implementation of ``web.dialect.Dialect`` for the gateway protocol. The cookies are this replica's own."""

    def __init__(self) -> None:
        self._cookies = GatewayCookies()

    def covers(self, path: str) -> bool:
        return is_gateways(path)

    def refusal(
        self, status: int, code: str, message: str, *, request_id: str, advice: str | None
    ) -> tuple[int, dict[str, Any]]:
        return refusal(status, code, message, request_id=request_id, own=advice)

    def sent_authorization(self, request: web.Request) -> str | None:
        cookie = sent_cookie(request)
        return self._cookies.find(cookie) if cookie else None

    def new_cookie(self, request: web.Request, authorization: str, user: str) -> str | None:
        return None if is_from_page(request) else self._cookies.give(authorization, user)

    def set_cookie(self, request: web.Request, response: web.StreamResponse, cookie: str) -> None:
        set_cookie(request, response, cookie)
