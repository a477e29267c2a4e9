"""Dialect of the dask-gateway protocol: its error bodies, its cookies, and the patience of its client."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from aiohttp import web

from spawnpenny.api.http import Dialect
from spawnpenny_dask.gateway.cookies import NAME, GatewayCookies, is_from_page, sent_cookie, set_cookie
from spawnpenny_dask.gateway.errors import PREFIX, refusal

_ABOUT_USERS: Final = f"{PREFIX}/api/v1/"


class GatewayDialect(Dialect):
    """The protocol of dask-gateway's client. The cookies are this replica's own."""

    name: ClassVar[str] = "gateway"
    prefix: ClassVar[str] = PREFIX
    schemes: ClassVar[frozenset[str]] = frozenset({"basic", "jupyterhub"})
    cookie: ClassVar[str | None] = NAME

    def __init__(self) -> None:
        self._cookies = GatewayCookies()

    def refusal(
        self, status: int, code: str, message: str, *, request_id: str, advice: str | None
    ) -> tuple[int, dict[str, Any]]:
        return refusal(status, code, message, request_id=request_id, own=advice)

    def is_held(self, request: web.Request) -> bool:
        """Hold all requests about users: dask-gateway's client gives up at a 503."""
        return request.path.startswith(_ABOUT_USERS)

    def may_repeat(self, request: web.Request) -> bool:
        """Repeat no request that could make a second cluster."""
        return request.method != "POST" or not request.path.endswith("/clusters/") or "start" in request.query

    def sent_authorization(self, request: web.Request) -> str | None:
        cookie = sent_cookie(request)
        return self._cookies.find(cookie) if cookie else None

    def new_cookie(self, request: web.Request, authorization: str, user: str) -> str | None:
        return None if is_from_page(request) else self._cookies.give(authorization, user)

    def set_cookie(self, request: web.Request, response: web.StreamResponse, cookie: str) -> None:
        set_cookie(request, response, cookie)
