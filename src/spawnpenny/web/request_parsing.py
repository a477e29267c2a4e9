"""Parse and check a request: the names in its path, its query, its body."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import unquote_to_bytes

from aiohttp import web
from marshmallow import ValidationError

from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.names import check_cluster, check_lab, check_spawn_name, check_username
from spawnpenny.domain.spawns import KIND_NAME, USER, Key
from spawnpenny.domain.suggestions import MOST_NAMED, shortened
from spawnpenny.domain.untrusted_json import UntrustedJsonError, parse_json
from spawnpenny.errors import InvalidNameError, InvalidRequestError
from spawnpenny.settings.schema import flatten
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.errors import BodyTimeoutError, BodyTooLargeError, MalformedBodyError
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.schemas.incoming import IncomingSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def username_of(request: web.Request) -> str:
    """Return the username of the path.

    Raises:
        InvalidNameError: The name is not valid.

    """
    return check_username(_segment(request, "user", "username"))


def lab_of(request: web.Request) -> str:
    """Return the name of the lab of the path.

    Raises:
        InvalidNameError: The name is not valid.

    """
    return check_lab(_segment(request, "lab", "lab"))


def name_of(request: web.Request, kind: Kind) -> str:
    """Return the name of the spawn of the path.

    Raises:
        InvalidNameError: The name is not valid.

    """
    return kind.check_name(_segment(request, kind.name_field, kind.name_field))


def key_of(request: web.Request) -> Key:
    """Return the key of the spawn of a path with its kind and its name. Any kind may be in it, loaded or not.

    Raises:
        InvalidNameError: The kind or the name is not valid.

    """
    kind = _segment(request, "kind", "kind")
    if not KIND_NAME.fullmatch(kind) or kind == USER:
        raise InvalidNameError("The kind is not the name of a kind of spawns.", field="kind")
    return Key(kind, check_spawn_name(_segment(request, "name", "name"), "name"))


def cluster_of(request: web.Request) -> str:
    """Return the name of the cluster of the path.

    Raises:
        InvalidNameError: The name is not valid.

    """
    return check_cluster(_segment(request, "cluster", "cluster"))


def subject_of(request: web.Request) -> str | None:
    """Return the username of the path, else the caller's on routes about the caller's own user, else None.

    Raises:
        InvalidNameError: The name is not valid.

    """
    return username_of(request) if "user" in request.match_info else request_context(request).own_user


def user_of(request: web.Request) -> str:
    """Return the username of the path, else the caller's, for routes about a user.

    Raises:
        InvalidNameError: The name is not valid.

    """
    username = subject_of(request)
    if username is None:
        raise RuntimeError("this route is not about a user")
    return username


def _segment(request: web.Request, part: str, field: str) -> str:
    # aiohttp keeps invalid escapes as they are, so that two paths could lead to one name.
    path = request.rel_url.raw_path
    try:
        unquote_to_bytes(path).decode()
        broken = _BROKEN_PERCENT.search(path) is not None
    except UnicodeDecodeError:
        broken = True
    if broken:
        raise InvalidNameError(f"The {field} is not percent-encoded UTF-8.", field=field)
    return request.match_info[part]


def query_of(request: web.Request, schema: IncomingSchema[T] | type[IncomingSchema[T]]) -> T:
    """Return the query parameters, checked by a schema. For a class, the result without parameters is cached.

    Raises:
        InvalidRequestError: A parameter is not known, is given twice, or is not valid.

    """
    if isinstance(schema, type):
        if not request.query_string:
            return cast("T", _without_parameters(schema))
        schema = schema()
    query = request.query
    sent = dict(query)
    if len(sent) < len(query):
        counts = Counter(key for key, _ in query.items())
        twice = shortened(next(key for key in counts if counts[key] > 1))
        raise InvalidRequestError(f"The query parameter {twice!r} is given twice.", field=twice)
    return _load(schema, sent)


async def body_of(request: web.Request, schema: IncomingSchema[T]) -> T:
    """Return the body, checked by a schema. The Content-Type is ignored: every body is JSON.

    Raises:
        MalformedBodyError: The body is not JSON.
        BodyTooLargeError: The body is larger than the setting ``web.max_body``.
        InvalidRequestError: The body does not fit the schema.

    """
    raw = await read_body(request)
    if not raw.strip():
        raise MalformedBodyError("The body is empty; send a JSON object.")
    identity = identity_of(request)
    async with request.app[LIMITS].locks.held(identity.username or identity.name):
        data = _parse(raw)
        if not isinstance(data, dict):
            raise InvalidRequestError("The body has to be a JSON object.", field="body")
        return _load(schema, data)


async def start_of(request: web.Request, schema: IncomingSchema[T], username: str) -> T:
    """Return the body of a request that starts a spawn. A refused body counts as a start of the user.

    Raises:
        TooManyRequestsError: The body is refused, and the user has no start left.
        InvalidRequestError: The body does not fit the schema.

    """
    try:
        return await body_of(request, schema)
    except InvalidRequestError:
        request.app[LIMITS].starts.demand(username)
        raise


async def read_body(request: web.Request) -> bytes:
    """Return the raw body.

    Raises:
        MalformedBodyError: The body does not match its headers.
        BodyTooLargeError: The body is larger than the setting ``web.max_body``.
        BodyTimeoutError: The body does not arrive in time.
        TooManyRequestsError: Too many other bodies have not arrived yet.

    """
    if request.content_length is not None and request.content_length > request.client_max_size:
        raise BodyTooLargeError(request.client_max_size)
    try:
        if request.content.is_eof():  # it has arrived
            return await request.read()
        seconds = request.app[SERVICE].settings.deadlines.body
        with request.app[LIMITS].requests.body():
            try:
                async with asyncio.timeout(seconds):
                    return await request.read()
            except TimeoutError:
                raise BodyTimeoutError(seconds) from None
    except (web.RequestPayloadError, web.HTTPBadRequest):
        raise MalformedBodyError("The body does not match its headers.") from None


@cache
def _without_parameters(schema: type[IncomingSchema[Any]]) -> object:
    """Return the result of a schema for a query without parameters. It is cached, as making a schema takes time."""
    return _load(schema(), {})


def _parse(raw: bytes) -> Any:
    try:
        return parse_json(raw.decode())
    except UnicodeDecodeError:
        raise MalformedBodyError("The body is not UTF-8.") from None
    except UntrustedJsonError as error:
        raise MalformedBodyError(f"The body {error}") from None


def _load(schema: IncomingSchema[T], data: Mapping[str, Any]) -> T:
    try:
        loaded: T = schema.load(data)
    except ValidationError as error:
        raise _refusal(list(flatten(error.messages, dicts=False))) from None
    return loaded


def _refusal(problems: list[tuple[str, str]]) -> InvalidRequestError:
    named = [(shortened(field), message) for field, message in problems[:MOST_NAMED]]
    errors = [{"field": field, "message": f"{field or repr(field)} {message}"} for field, message in named]
    more = len(problems) - len(errors)
    sentences = [error["message"] for error in errors] + ([f"{more} more are not valid."] if more else [])
    return InvalidRequestError(" ".join(sentences), errors=errors)
