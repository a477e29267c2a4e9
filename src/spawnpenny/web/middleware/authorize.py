"""Authorize requests: each route declares its access, and one middleware checks it.

The scopes:

=============  =====================================================================================
``read:any``   read the spawns and users of everybody
``spawn:any``  start, scale and stop the labs and all other spawns of everybody
``delete:any`` stop the labs and all other spawns of everybody
``commission`` commission, retire and read users
``read:self``  read labs and other spawns of the token's own user, but no key of a cluster
``spawn:self`` read, start and stop labs and other spawns of the token's own user
``lab:self``   like ``read:self``; also start, scale and stop all but labs of the token's own user
``routes``     read addresses of spawns and headers for dashboards, and use up tickets, for the proxy
``admin``      all of the above, and read pipelines and plugins; it does not include ``logs`` and ``purge``
=============  =====================================================================================
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web
from multidict import CIMultiDict

from spawnpenny.auth.identity import Credentials, Identity
from spawnpenny.domain.names import check_username
from spawnpenny.errors import ForbiddenError, InvalidRequestError, NotReadyError, UnauthenticatedError
from spawnpenny.serving.errors import MalformedRequestError
from spawnpenny.settings.sections import SCOPES
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.dialect import Dialect, dialect_of
from spawnpenny.web.request_context import request_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler, Middleware

_SCHEMES: Final = frozenset({"bearer", "token"})  # Jupyter's clients send "token"
_IN_USERNAME: Final = "x-oauth-basic"
"""A password which means that the username is the token, as with Gafaelfawr and GitHub."""
_BY_NAME_ONLY: Final = frozenset({"logs", "purge"})


@dataclass(frozen=True, slots=True)
class Access:
    """The scopes that open a route.

    Attributes:
        any: The scopes that open it for every user.
        own: The scopes that open it for the caller's own user.
        public: Whether it needs no token.
        about_caller: Whether the route is about the caller's own user, whom its path does not name.

    """

    any: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    public: bool = field(default=False, kw_only=True)
    about_caller: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        unknown = (self.any | self.own) - set(SCOPES)
        if unknown:
            raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
        if self.public == bool(self.any | self.own):
            raise ValueError("access is either public or needs at least one scope")

    def allows(self, identity: Identity, username: str | None) -> bool:
        """Return whether an identity may use the route for a user."""
        scopes = identity.scopes
        if scopes & self.any or ("admin" in scopes and self.any - _BY_NAME_ONLY):
            return True
        return username is not None and identity.username == username and bool(scopes & self.own)


PUBLIC: Final = Access(public=True)
_READ_OWN: Final = frozenset({"read:self", "spawn:self", "lab:self"})
READ: Final = Access(frozenset({"read:any"}), _READ_OWN)
READ_USER: Final = Access(frozenset({"read:any", "commission"}), _READ_OWN)
READ_FORM: Final = Access(frozenset({"read:any", "spawn:any"}), _READ_OWN)
READ_ALL: Final = Access(frozenset({"read:any"}))
SPAWN: Final = Access(frozenset({"spawn:any"}), frozenset({"spawn:self"}))
STOP: Final = Access(frozenset({"delete:any", "spawn:any"}), frozenset({"spawn:self"}))
START_FROM_LABS: Final = Access(SPAWN.any, SPAWN.own | {"lab:self"})
STOP_FROM_LABS: Final = Access(STOP.any, STOP.own | {"lab:self"})
OWN_SPAWNS: Final = Access(own=frozenset({"spawn:self", "lab:self"}), about_caller=True)
ROUTES: Final = Access(frozenset({"routes"}))
COMMISSION: Final = Access(frozenset({"commission"}))
ADMIN: Final = Access(frozenset({"admin"}))
ANY_SCOPE: Final = Access(frozenset(SCOPES))


def authorize(accesses: Mapping[tuple[str, str], Access]) -> Middleware:
    """Return the middleware that authorizes requests.

    Args:
        accesses: The access of each route, by its method and path.

    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is None:
            resource = request.match_info.route.resource
            access = accesses[request.method, resource.canonical if resource else ""]
            if not access.public:
                identity = await _admit(request, access)
                _give_cookie(request)
                with request.app[LIMITS].requests.opened(identity.username, stops=request.method == "DELETE"):
                    return await handler(request)
        return await handler(request)

    return middleware


async def _admit(request: web.Request, access: Access) -> Identity:
    identity = await _authenticate(request)
    context = request_context(request)
    context.identity = identity
    if access.about_caller:
        context.own_user = _user_of(identity)
    username = request.match_info.get("user", context.own_user)
    if not access.allows(identity, username):
        accepted = sorted(access.any) + [f"{scope} (for your own user)" for scope in sorted(access.own)]
        needs = "the scope" if len(accepted) == 1 else "one of the scopes"
        raise ForbiddenError(
            f"This needs {needs} {', '.join(accepted)}.", advice=_advice(access), scopes=sorted(access.any | access.own)
        )
    return identity


def _advice(access: Access) -> str:
    if access.own:
        return "Use your own username in the path, or a token with one of these scopes."
    return "Use a token with this scope. For your own labs, use the routes with your username in the path."


def _user_of(identity: Identity) -> str:
    if identity.username is None:
        raise InvalidRequestError(
            "The token belongs to no user, so it has no spawns. Send the token of a lab or of a user."
        )
    return check_username(identity.username)


async def _authenticate(request: web.Request) -> Identity:
    dialect = dialect_of(request)
    sent = _sent(request, dialect)
    request_context(request).authorization = sent
    headers: Mapping[str, str] = request.headers
    if sent is not None and "Authorization" not in headers:  # by cookie: authenticators read the header
        headers = CIMultiDict(headers)
        headers["Authorization"] = sent
    credentials = Credentials(
        _token(sent, _SCHEMES | dialect.schemes if dialect else _SCHEMES), headers, request_context(request).remote
    )
    not_ready: NotReadyError | None = None
    service = request.app[SERVICE]
    for authenticator in (service.lab_tokens, *service.plugins.authenticators):
        try:
            identity = await authenticator.authenticate(credentials)
        except NotReadyError as error:
            not_ready = not_ready or error
            continue
        if identity is not None:
            return identity
    if not_ready is not None:
        raise not_ready
    raise UnauthenticatedError(
        "Send a valid token, as Authorization: Bearer <token>."
        if credentials.token is None
        else "The token is not valid."
    )


def _sent(request: web.Request, dialect: Dialect | None) -> str | None:
    """Return the Authorization header; on routes of a foreign protocol, a cookie can stand for it."""
    sent = request.headers.getall("Authorization", [])
    if len(sent) > 1:  # servers may disagree on which one counts
        raise MalformedRequestError("There are several Authorization headers.", advice="Send only one.")
    if sent or dialect is None:
        return sent[0] if sent else None
    return dialect.sent_authorization(request)


def _give_cookie(request: web.Request) -> None:
    """Add a cookie to the answer, if the Authorization header has admitted the request."""
    context = request_context(request)
    if not context.own_user or not context.authorization or "Authorization" not in request.headers:
        return
    if (dialect := dialect_of(request)) is not None:
        context.cookie = dialect.new_cookie(request, context.authorization, context.own_user)


def _token(header: str | None, schemes: frozenset[str]) -> str | None:
    scheme, _, sent = (header or "").strip().partition(" ")
    if scheme.lower() not in schemes:
        return None
    token = _basic_token(sent.strip()) if scheme.lower() == "basic" else sent.strip()
    return token if token and token.isascii() else None  # no token has other characters


def _basic_token(sent: str) -> str:
    """Return the password; if it is ``x-oauth-basic``, the username."""
    try:
        username, _, password = base64.b64decode(sent, validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return ""
    return username if password == _IN_USERNAME else password
