"""Context of one request: its id, its caller and its outcome, for the access log and the audit log."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from spawnpenny.errors import ForbiddenError

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Identity
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord

HEADER: Final = "X-Request-ID"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(slots=True)
class RequestContext:
    """Facts of one request and its answer.

    Attributes:
        id: The id of the request.
        remote: The address of the caller.
        identity: The identity of the caller, once it is known.
        own_user: The user of the caller, on routes about the caller's own user.
        code: The code of the error, if the request is refused.
        spawn: The id of the spawn that the request is about.
        names: Names of what the request is about that the path does not have.
        purge: Whether the request deletes storage.
        streamed: Whether the answer is a stream of events.
        authorization: The credentials, as the Authorization header has them.
        cookie: The cookie that the answer sets, which stands for the credentials.
        shown: The records that a plugin's route has seen. No error of it may quote their secrets.

    """

    id: str
    remote: str | None = None
    identity: Identity | None = None
    own_user: str | None = None
    code: str | None = None
    spawn: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    purge: bool = False
    streamed: bool = False
    authorization: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    shown: list[SpawnRecord] = field(default_factory=list, repr=False)

    def about(self, run: ActiveSpawn) -> None:
        """Note the spawn of the request: every later log line of the request has the id of the spawn."""
        self.spawn = run.record.id
        structlog.contextvars.bind_contextvars(spawn=run.record.id)


_KEY: Final = web.RequestKey("context", RequestContext)


def begin(request: web.Request, remote: str | None) -> RequestContext:
    """Make the context of a request; keep the caller's X-Request-ID if it is safe to log."""
    sent = request.headers.get(HEADER, "")
    context = RequestContext(sent if _SAFE_ID.fullmatch(sent) else secrets.token_hex(8), remote)
    request[_KEY] = context
    return context


def request_context(request: web.Request) -> RequestContext:
    """Return the context of a request."""
    return request[_KEY]


def find(request: web.BaseRequest) -> RequestContext | None:
    """Return the context of a request; None if the request failed before it got one."""
    return request.get(_KEY)


def demand_purge(request: web.Request) -> None:
    """Check that the caller may delete storage, and note that the request does so.

    Raises:
        ForbiddenError: The caller does not have the scope ``purge``. No other scope includes it.

    """
    request_context(request).purge = True
    if "purge" not in identity_of(request).scopes:
        raise ForbiddenError("Deleting storage needs the scope purge. No other scope includes it.", scopes=["purge"])


def identity_of(request: web.Request) -> Identity:
    """Return the identity of the caller. Routes that are not public have one, from ``web.middleware.authorize``."""
    identity = request_context(request).identity
    if identity is None:
        raise RuntimeError("a public route has no identity")
    return identity
