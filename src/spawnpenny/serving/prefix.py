"""The path under which a proxy in front of the service keeps it, such as a JupyterHub's for one of its services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.http_parser import RawRequestMessage

    RequestFactory = Callable[..., web.BaseRequest]

PREFIX: Final = web.AppKey("PREFIX", str)
"""The setting ``web.prefix``."""
_API: Final = "/api/"
_GATEWAY: Final = "/gateway"


@dataclass(frozen=True, slots=True)
class _Outer:
    """The path and query that a caller sent, and which part of it is the prefix."""

    path: str
    prefix: str = ""


_OUTER: Final = web.RequestKey("outer", _Outer)


def stripping(make: RequestFactory, prefix: str) -> RequestFactory:
    """Return what makes requests as ``make`` does, without the prefix in their paths; one without it stays as it is.

    dask-gateway has its API at ``<prefix>/api``, ours is at ``/gateway/api``: its clients find it there, too.
    """

    def make_request(message: RawRequestMessage, *rest: object) -> web.BaseRequest:
        inner = _inner(message.path, prefix)
        if inner == message.path:
            return make(message, *rest)
        # By its parts: read as a whole, a path that begins with two slashes would be a host and another path.
        path, _, query = inner.partition("?")
        url = URL.build(path=path, query_string=query, encoded=True)
        request = make(message._replace(path=inner, url=url), *rest)
        request[_OUTER] = _Outer(message.path, prefix if _has(message.path, prefix) else "")
        return request

    return make_request


def outer_path(request: web.BaseRequest) -> str:
    """Return the path and query of a request as its caller sent them."""
    return _outer(request).path


def prefix_of(request: web.BaseRequest) -> str:
    """Return the prefix that the caller, or a proxy in between, sent; empty where none was."""
    return _outer(request).prefix


def link_to(request: web.BaseRequest, path: str) -> str:
    """Return a path of ours as the caller of a request reaches it."""
    return f"{prefix_of(request)}{path}"


def _outer(request: web.BaseRequest) -> _Outer:
    return request.get(_OUTER) or _Outer(request.rel_url.raw_path_qs)


def _has(path: str, prefix: str) -> bool:
    return bool(prefix) and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/", "?"}


def _inner(path: str, prefix: str) -> str:
    if _has(path, prefix):
        path = path.removeprefix(prefix)
        path = path if path.startswith("/") else f"/{path}"
    return f"{_GATEWAY}{path}" if path.startswith(_API) else path
