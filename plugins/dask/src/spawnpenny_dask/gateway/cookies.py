"""Cookies of the gateway protocol: short-lived references to credentials that the service has just accepted.

dask-gateway's client sends its credential only after a 401, unless it holds a cookie. The service checks the credential
of a cookie again in every request: a cookie opens nothing that its credential no longer opens. Each replica keeps its
cookies in memory; another one answers 401, and sets a cookie of its own.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from spawnpenny.api.http import outer_path, prefix_of
from spawnpenny_dask.gateway.errors import PREFIX

if TYPE_CHECKING:
    from aiohttp import web

NAME: Final = "spawnpenny-gateway"
SECONDS: Final = 300
"""The seconds for which a cookie is valid."""
_API: Final = "/api"
"""The path of the gateway's routes below the prefix of a Hub service."""
_MOST: Final = 10_000
_MOST_OF_USER: Final = 32
"""Cookies of one user. A user can send one token in many ways, such as with another username."""
_BYTES: Final = 32
_LONGEST: Final = 4096
_BROWSERS: Final = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode")
"""Headers that only browsers send. No web page may use, or get, a cookie."""


@dataclass(frozen=True, slots=True)
class _Session:
    credential: bytes
    header: str = field(repr=False)
    user: str
    until: float


class GatewayCookies:
    """The cookies of one process: few a user, and at most one new cookie for a credential in half their lifetime.

    The keys are hashes of cookies and credentials, so that the time of a lookup reveals neither.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._given: dict[bytes, str] = {}
        self._of_user: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sessions)

    def give(self, header: str, user: str) -> str | None:
        """Return a cookie for the Authorization header of an accepted request.

        None if the header is too long, or the user has too many cookies: then the client sends its credential.
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
        """Return the Authorization header of a cookie; None if the cookie is unknown or has expired."""
        self._forget(self._clock())
        session = self._sessions.get(_hash(cookie))
        return None if session is None else session.header

    def _forget(self, now: float) -> None:
        """Drop the expired cookies."""
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
    """Return the gateway's cookie of a request; None if there is none or several, or a browser sent the request."""
    headers = request.headers.getall("Cookie", [])
    if len(headers) != 1 or len(headers[0]) > _LONGEST or is_from_page(request):
        return None
    if request.body_exists and request.content_type != "application/json":
        return None  # a form of another site can send this
    pairs = (header.strip().partition("=") for header in headers[0].split(";"))
    found = [value for name, _, value in pairs if name == NAME]
    return found[0] if len(found) == 1 else None


def is_from_page(request: web.Request) -> bool:
    """Return whether a web page in a browser sent a request."""
    return any(name in request.headers for name in _BROWSERS)


def set_cookie(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    """Add a cookie for the gateway's routes alone to the headers of an answer."""
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
