"""A foreign protocol on the routes under one path prefix: its error bodies and cookies."""

from __future__ import annotations

from typing import Any, Final, Protocol

from aiohttp import web


class Dialect(Protocol):
    """A foreign protocol on some of the routes. The middlewares use it; ``app.create_app`` provides it."""

    def covers(self, path: str) -> bool:
        """Return whether a path belongs to the protocol, even if it has no route."""
        ...

    def refusal(
        self, status: int, code: str, message: str, *, request_id: str, advice: str | None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON body for an error of this API."""
        ...

    def sent_authorization(self, request: web.Request) -> str | None:
        """Return the Authorization header that a cookie of the request stands for; None without such a cookie."""
        ...

    def new_cookie(self, request: web.Request, authorization: str, user: str) -> str | None:
        """Return a cookie that stands for the Authorization header of an accepted request; None for no cookie."""
        ...

    def set_cookie(self, request: web.Request, response: web.StreamResponse, cookie: str) -> None:
        """Add a new cookie to the headers of a response."""
        ...


DIALECT: Final = web.AppKey("DIALECT", Dialect)
