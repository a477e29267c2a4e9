"""Foreign protocols on the routes of plugins: their error bodies, credentials and cookies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from aiohttp import web


class Dialect:
    """A foreign protocol on all routes of a plugin under one path prefix. Its routes name it as ``dialect``.

    Attributes:
        name: Its name. The names of its routes may begin with it.
        prefix: The path under which it is spoken, such as ``/gateway``.
        schemes: Further schemes of the Authorization header that its clients send, in lower case.
        cookie: The name of its cookie; None without one.

    """

    name: ClassVar[str]
    prefix: ClassVar[str]
    schemes: ClassVar[frozenset[str]] = frozenset()
    cookie: ClassVar[str | None] = None

    def refusal(
        self, status: int, code: str, message: str, *, request_id: str, advice: str | None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON body for an error of this API."""
        raise NotImplementedError

    def is_held(self, request: web.Request) -> bool:
        """Return whether a request waits while the state is not known yet, as after a restart, and is not refused."""
        del request
        return False

    def may_repeat(self, request: web.Request) -> bool:
        """Return whether a held request may be carried out again after another replica may have done it already."""
        del request
        return True

    def sent_authorization(self, request: web.Request) -> str | None:
        """Return the Authorization header that a cookie of the request stands for; None without such a cookie."""
        del request
        return None

    def new_cookie(self, request: web.Request, authorization: str, user: str) -> str | None:
        """Return a cookie that stands for the Authorization header of an accepted request; None for no cookie."""
        del request, authorization, user
        return None

    def set_cookie(self, request: web.Request, response: web.StreamResponse, cookie: str) -> None:
        """Add a new cookie to the headers of a response."""


class Dialects:
    """All foreign protocols of an application."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._by_prefix = {dialect.prefix: dialect for dialect in dialects}

    def of(self, path: str) -> Dialect | None:
        """Return the protocol that is spoken at a path, even if the path has no route."""
        for prefix, dialect in self._by_prefix.items():
            if is_under(path, prefix):
                return dialect
        return None


def is_under(path: str, prefix: str) -> bool:
    """Return whether a path is a prefix, or below it."""
    return path == prefix or path.startswith(f"{prefix}/")


DIALECTS: Final = web.AppKey("DIALECTS", Dialects)


def dialect_of(request: web.Request) -> Dialect | None:
    """Return the foreign protocol of a request, if it belongs to one."""
    return request.app[DIALECTS].of(request.path)
