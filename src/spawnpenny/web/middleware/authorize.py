"""Authorize requests. Each route declares its access, and one middleware checks it before anything else.

Routes that each scope opens:

=============  =====================================================================================
``read:any``   reading everybody's labs and users
``spawn:any``  starting and stopping everybody's labs; scaling and stopping everybody's Dask clusters
``delete:any`` stopping everybody's labs
``commission`` making users known, and reading them
``read:self``  reading what is of the token's own user: labs and Dask clusters, but no key of a cluster
``spawn:self`` reading, starting and stopping what is of the token's own user
``lab:self``   reading what is of the token's own user; starting, scaling and stopping that user's Dask clusters
``routes``     where schedulers are, and using up tickets for their dashboards: what the proxy needs
``admin``      the pipelines and plugins, and all of the above; ``logs`` and ``purge`` have to be given by name
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
from spawnpenny.web.dialect import DIALECT
from spawnpenny.web.request_context import request_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler, Middleware

_SCHEMES: Final = frozenset({"bearer", "token"})  # "token" is what Jupyter's own clients send
_GATEWAY_SCHEMES: Final = _SCHEMES | {"basic", "jupyterhub"}  # what dask-gateway's client sends
_IN_USERNAME: Final = "x-oauth-basic"
"""A password that says that the token is the username, as Gafaelfawr and GitHub have it."""
_BY_NAME_ONLY: Final = frozenset({"logs", "purge"})


@dataclass(frozen=True, slots=True)
class Access:
    """The scopes that open a route: ``any`` for every user's path, ``own`` for the caller's own.

    ``gateway``: it is of the gateway protocol, which has no user in the path and is about the caller.
    """

    any: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    public: bool = field(default=False, kw_only=True)
    gateway: bool = field(default=False, kw_only=True)

    @property
    def schemes(self) -> frozenset[str]:
        """The schemes of the Authorization header in which a token may be sent."""
        return _GATEWAY_SCHEMES if self.gateway else _SCHEMES

    def __post_init__(self) -> None:
        unknown = (self.any | self.own) - set(SCOPES)
        if unknown:
            raise ValueError(f"there is no scope {', '.join(sorted(unknown))}")
        if self.public == bool(self.any | self.own):
            raise ValueError("access is either public or bound to at least one scope")

    def allows(self, identity: Identity, username: str | None) -> bool:
        """Return whether an identity may use the route, for the user of the path."""
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
STOP_CLUSTER: Final = Access(STOP.any, STOP.own | {"lab:self"})
SCALE_CLUSTER: Final = Access(SPAWN.any, SPAWN.own | {"lab:self"})
GATEWAY: Final = Access(own=frozenset({"spawn:self", "lab:self"}), gateway=True)
ROUTES: Final = Access(frozenset({"routes"}))
COMMISSION: Final = Access(frozenset({"commission"}))
ADMIN: Final = Access(frozenset({"admin"}))
ANY_SCOPE: Final = Access(frozenset(SCOPES))


def authorize(accesses: Mapping[tuple[str, str], Access]) -> Middleware:
    """Return the middleware that lets a request through to a route, or does not.

    Args:
        accesses: The access of each route, by its method and path. Nobody may use a route that is not in there.

    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is None:
            resource = request.match_info.route.resource
            access = accesses[request.method, resource.canonical if resource else ""]
            if not access.public:
                identity = await _admit(request, access)
                _give_cookie(request, access)
                with request.app[LIMITS].requests.opened(identity.username, stops=request.method == "DELETE"):
                    return await handler(request)
        return await handler(request)

    return middleware


async def _admit(request: web.Request, access: Access) -> Identity:
    identity = await _authenticate(request, access)
    here = request_context(request)
    here.identity = identity
    if access.gateway:
        here.own_user = _user_behind(identity)
    username = request.match_info.get("user", here.own_user)
    if not access.allows(identity, username):
        wanted = sorted(access.any) + [f"{scope} (for one's own)" for scope in sorted(access.own)]
        needs = "the scope" if len(wanted) == 1 else "one of the scopes"
        raise ForbiddenError(
            f"This needs {needs} {', '.join(wanted)}.", advice=_advice(access), scopes=sorted(access.any | access.own)
        )
    return identity


def _advice(access: Access) -> str:
    if access.own:
        return "Ask for what is your own, under your own name, or take a token with one of these scopes."
    return "Take a token with such a scope. What is your own can be asked for by its name: name the user and the lab."


def _user_behind(identity: Identity) -> str:
    if identity.username is None:
        raise InvalidRequestError(
            "The token speaks for no user, so that no Dask cluster can be its own. Send a lab's own token, or a user's."
        )
    return check_username(identity.username)


async def _authenticate(request: web.Request, access: Access) -> Identity:
    sent = _sent(request, access)
    request_context(request).authorization = sent
    headers: Mapping[str, str] = request.headers
    if sent is not None and "Authorization" not in headers:  # by cookie: an authenticator finds it where it always is
        headers = CIMultiDict(headers)
        headers["Authorization"] = sent
    credentials = Credentials(_token(sent, access.schemes), headers, request_context(request).remote)
    unsure: NotReadyError | None = None
    service = request.app[SERVICE]
    for authenticator in (service.lab_tokens, *service.plugins.authenticators):
        try:
            identity = await authenticator.authenticate(credentials)
        except NotReadyError as error:
            unsure = unsure or error
            continue
        if identity is not None:
            return identity
    if unsure is not None:
        raise unsure
    raise UnauthenticatedError(
        "Send a token that is known here, as Authorization: Bearer <token>."
        if credentials.token is None
        else "The token is not known here."
    )


def _sent(request: web.Request, access: Access) -> str | None:
    """Return the Authorization header; at the gateway's routes, else the one that the request's cookie stands for."""
    sent = request.headers.getall("Authorization", [])
    if len(sent) > 1:  # two readers may not agree on which one counts
        raise MalformedRequestError("There are several Authorization headers.", advice="Send one of them.")
    if sent or not access.gateway:
        return sent[0] if sent else None
    return request.app[DIALECT].sent_authorization(request)


def _give_cookie(request: web.Request, access: Access) -> None:
    """Note a cookie for the answer, where the request was let in by its Authorization header."""
    here = request_context(request)
    if not here.own_user or not here.authorization or "Authorization" not in request.headers:
        return
    if access.gateway:
        here.cookie = request.app[DIALECT].new_cookie(request, here.authorization, here.own_user)


def _token(header: str | None, schemes: frozenset[str]) -> str | None:
    scheme, _, sent = (header or "").strip().partition(" ")
    if scheme.lower() not in schemes:
        return None
    token = _basic_token(sent.strip()) if scheme.lower() == "basic" else sent.strip()
    return token if token and token.isascii() else None  # no token of anybody's has other characters


def _basic_token(sent: str) -> str:
    """Return the password; where that says so, the username."""
    try:
        username, _, password = base64.b64decode(sent, validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):  # ValueError: it is not ASCII
        return ""
    return username if password == _IN_USERNAME else password
