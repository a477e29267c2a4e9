"""Context of one request for the log and the audit log: its id, its caller and its outcome."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import ForbiddenError

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Identity
    from spawnpenny.spawns.active import ActiveSpawn

HEADER: Final = "X-Request-ID"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(slots=True)
class RequestContext:
    """One request and its answer. ``remote`` is the caller's address.

    ``own_user`` is who asks, where the route is about them; ``code`` is the error's, ``spawn`` the id of the spawn that
    it is about, and ``cluster`` its name where it is a Dask cluster; ``purge`` says that storage is to go.
    ``authorization`` is the credential as its header has it, and ``cookie`` the one that the answer gives for it.
    """

    id: str
    remote: str | None = None
    identity: Identity | None = None
    own_user: str | None = None
    code: str | None = None
    spawn: str | None = None
    cluster: str | None = None
    purge: bool = False
    authorization: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)

    def about(self, run: ActiveSpawn) -> None:
        """Note which spawn the request is about: every later line of it carries the spawn's id."""
        self.spawn = run.record.id
        if run.record.key.kind is Kind.DASK:
            self.cluster = run.record.key.name
        structlog.contextvars.bind_contextvars(spawn=run.record.id)


_KEY: Final = web.RequestKey("exchange", RequestContext)


def begin(request: web.Request, remote: str | None) -> RequestContext:
    """Begin an exchange; a caller's own X-Request-ID is kept where it is harmless."""
    given = request.headers.get(HEADER, "")
    new = RequestContext(given if _SAFE_ID.fullmatch(given) else secrets.token_hex(8), remote)
    request[_KEY] = new
    return new


def request_context(request: web.Request) -> RequestContext:
    return request[_KEY]


def find(request: web.BaseRequest) -> RequestContext | None:
    """Return the exchange of a request, or None where it never came as far as to have one."""
    return request.get(_KEY)


def demand_purge(request: web.Request) -> None:
    """Refuse to delete storage for a caller without that right, and note the request for it.

    Raises:
        ForbiddenError: The scope ``purge`` is missing: no other one stands for it.

    """
    request_context(request).purge = True
    if "purge" not in identity_of(request).scopes:
        raise ForbiddenError("Deleting storage needs the scope purge, by name.", scopes=["purge"])


def identity_of(request: web.Request) -> Identity:
    """Return the caller. Only for routes that are not public: ``web.middleware.authorize`` has seen to it."""
    identity = request_context(request).identity
    if identity is None:
        raise RuntimeError("a handler of a public route asked for the identity")
    return identity
