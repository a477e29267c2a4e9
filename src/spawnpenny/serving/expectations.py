"""The header Expect: 100-continue is answered, everything else is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, web

from spawnpenny.serving.errors import UnknownExpectationError

if TYPE_CHECKING:
    from aiohttp.web import UrlMappingMatchInfo

_CONTINUE: Final = "100-continue"


async def answer_expectation(request: web.Request) -> None:
    """Ask for the body if the caller waits for that.

    An unknown expectation is left to ``check_expectation``: aiohttp's own handler would refuse it before the
    middlewares run, in plain text.
    """
    if request.version >= HttpVersion11 and _expected(request) == _CONTINUE:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # no part of the answer, as aiohttp counts it


def check_expectation(request: web.Request) -> None:
    """Refuse an unknown expectation.

    Raises:
        UnknownExpectationError: It is not 100-continue.

    """
    if _expected(request) not in ("", _CONTINUE):
        raise UnknownExpectationError


def _expected(request: web.Request) -> str:
    return request.headers.get("Expect", "").strip().lower()


class _NoRoute(web.UrlMappingMatchInfo):
    """A match without a route, so that audit and authorization treat it like an unknown path."""

    @property
    def http_exception(self) -> web.HTTPException:
        return web.HTTPExpectationFailed()


class UnknownExpectations(web.DynamicResource):
    """Match every request with an unknown expectation, so that a path or method without a route refuses it too."""

    def __init__(self) -> None:
        super().__init__("/{path:.*}")
        self._route = self.add_route("*", _refuse, expect_handler=answer_expectation)

    async def resolve(self, request: web.Request) -> tuple[UrlMappingMatchInfo | None, set[str]]:
        if _expected(request) in ("", _CONTINUE):
            return None, set()
        return _NoRoute({}, self._route), set()


async def _refuse(request: web.Request) -> web.StreamResponse:
    check_expectation(request)
    raise web.HTTPNotFound
