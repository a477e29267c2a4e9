"""The path prefix of the service behind a proxy, such as that of JupyterHub for its services."""

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
"""The setting ``web.prefix``, or its default by the loaded kinds."""
_API: Final = "/api/"
_GATEWAY: Final = "/gateway"


@dataclass(frozen=True, slots=True)
class _Outer:
    """The path and query that a caller sent, and the prefix in it."""

    path: str
    prefix: str = ""


_OUTER: Final = web.RequestKey("outer", _Outer)


def stripping(make: RequestFactory, prefix: str) -> RequestFactory:
    """Return a request factory like ``make`` that removes the prefix from paths; paths without it stay as they are.

    Clients of the gateway protocol look for its API at ``<prefix>/api``, and ours is at ``/gateway/api``: they find it.
    """

    def make_request(message: RawRequestMessage, *rest: object) -> web.BaseRequest:
        inner = _inner(message.path, prefix)
        if inner == message.path:
            return make(message, *rest)
        # From its parts: as a whole, a path that begins with two slashes would be parsed as a host and a path.
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
    """Return the prefix that the caller or a proxy sent; empty if there was none."""
    return _outer(request).prefix


def link_to(request: web.BaseRequest, path: str) -> str:
    """Return a path of ours with the prefix of the caller."""
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
