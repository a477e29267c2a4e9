"""Cookies of the gateway: short-lived references to credentials that were accepted a moment ago.

dask-gateway's client sends its credential only after a 401, unless it holds a cookie. A cookie stands for the
credential that it was given for, which is checked again in every request: it opens nothing that the credential does
not open any more. Cookies are in the memory of one replica; another one answers 401, and gives one of its own.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spawnpenny.dask.gateway.errors import PREFIX
from spawnpenny.serving.prefix import outer_path, prefix_of

if TYPE_CHECKING:
    from aiohttp import web

NAME: Final = "spawnpenny-gateway"
SECONDS: Final = 300
"""How long a cookie is good."""
_API: Final = "/api"
"""Where clients of dask-gateway look for its routes below a prefix."""
_MOST: Final = 10_000
_MOST_OF_USER: Final = 32
"""How many cookies a user has at once. One token can be sent in any number of ways, such as with another name."""
_BYTES: Final = 32
_LONGEST: Final = 4096
_BROWSERS: Final = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode")
"""Headers that a browser adds by itself. No page of any site may use, or get, a cookie."""


@dataclass(frozen=True, slots=True)
class _Session:
    credential: bytes
    header: str = field(repr=False)
    user: str
    until: float


class GatewayCookies:
    """The cookies of one process, at most one new one a credential and half life, and few a user.

    Only hashes of cookies and credentials are keys, so that the time of a lookup says nothing about either.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._given: dict[bytes, str] = {}
        self._of_user: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sessions)

    def give(self, header: str, user: str) -> str | None:
        """Return a cookie for the Authorization header of a user's request that was just accepted.

        None where the header is long, or the user has as many as there may be: the client sends its credential then.
        """
        if len(header) > _LONGEST:
            return None
        credential, now = _hash(header), self._clock()
        known = self._given.get(credential)
        if known is not None and self._sessions[_hash(known)].until - now > SECONDS / 2:
            return known
        self._forget(now)
        if self._of_user[user] >= _MOST_OF_USER:
            return None
        if len(self._sessions) >= _MOST:
            self._drop_oldest()
        cookie = secrets.token_urlsafe(_BYTES)
        self._sessions[_hash(cookie)] = _Session(credential, header, user, now + SECONDS)
        self._given[credential] = cookie
        self._of_user[user] += 1
        return cookie

    def find(self, cookie: str) -> str | None:
        """Return the Authorization header that a cookie stands for; None where it is unknown or has expired."""
        self._forget(self._clock())
        session = self._sessions.get(_hash(cookie))
        return None if session is None else session.header

    def _forget(self, now: float) -> None:
        """Drop what has expired."""
        while self._sessions and next(iter(self._sessions.values())).until <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        key, session = self._sessions.popitem(last=False)
        if _hash(self._given.get(session.credential, "")) == key:
            del self._given[session.credential]
        self._of_user[session.user] -= 1
        if not self._of_user[session.user]:
            del self._of_user[session.user]


def sent_cookie(request: web.Request) -> str | None:
    """Return the gateway's cookie of a request; None where it has none, several, or comes from a browser."""
    headers = request.headers.getall("Cookie", [])
    if len(headers) != 1 or len(headers[0]) > _LONGEST or is_from_page(request):
        return None
    if request.body_exists and request.content_type != "application/json":
        return None  # what a form of another site can send
    pairs = (header.strip().partition("=") for header in headers[0].split(";"))
    found = [value for name, _, value in pairs if name == NAME]
    return found[0] if len(found) == 1 else None


def is_from_page(request: web.Request) -> bool:
    """Return whether a page in a browser made a request."""
    return any(name in request.headers for name in _BROWSERS)


def set_cookie(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    """Add a cookie to the headers of an answer, for the gateway's routes alone."""
    secure = "; Secure" if request.secure else ""
    message = f"{NAME}={cookie}; HttpOnly; Max-Age={SECONDS}; Path={_path(request)}; SameSite=Strict{secure}"
    response.headers.add("Set-Cookie", message)


def _path(request: web.Request) -> str:
    """Return the path of the gateway's routes as the caller sees it."""
    prefix = prefix_of(request)
    direct = outer_path(request).removeprefix(prefix).startswith(f"{PREFIX}/")
    return f"{prefix}{PREFIX if direct else _API}"


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
