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

from spawnpenny.domain.names import check_cluster, check_lab, check_username
from spawnpenny.domain.suggestions import MOST_NAMED, shortened
from spawnpenny.domain.untrusted_json import UntrustedJsonError, parse_json
from spawnpenny.errors import InvalidNameError, InvalidRequestError
from spawnpenny.settings.schema import flatten
from spawnpenny.web.app_keys import LIMITS, SERVICE
from spawnpenny.web.errors import BodyTimeoutError, BodyTooLargeError, MalformedBodyError
from spawnpenny.web.request_context import identity_of, request_context
from spawnpenny.web.schemas.requests import IncomingSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def username_of(request: web.Request) -> str:
    """Return the user of the path.

    Raises:
        InvalidNameError: It may not be used.

    """
    return check_username(_segment(request, "user", "username"))


def lab_of(request: web.Request) -> str:
    """Return the lab of the path.

    Raises:
        InvalidNameError: It may not be used.

    """
    return check_lab(_segment(request, "lab", "lab"))


def cluster_of(request: web.Request) -> str:
    """Return the Dask cluster of the path.

    Raises:
        InvalidNameError: It may not be used.

    """
    return check_cluster(_segment(request, "cluster", "cluster"))


def subject_of(request: web.Request) -> str | None:
    """Return the user whom a request is about: that of the path, else the caller, if the route is about callers.

    Raises:
        InvalidNameError: The name may not be used.

    """
    return username_of(request) if "user" in request.match_info else request_context(request).own_user


def user_of(request: web.Request) -> str:
    """Return the user whom a request is about, for routes that are about one.

    Raises:
        InvalidNameError: The name may not be used.

    """
    username = subject_of(request)
    if username is None:
        raise RuntimeError("a handler of a route that is about nobody asked for the user")
    return username


def _segment(request: web.Request, part: str, field: str) -> str:
    # aiohttp leaves escapes that are broken, or no UTF-8, as they are: two paths would come to one name.
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
    """Return the query parameters, checked by a schema; of a class, what it makes of none is made once.

    Raises:
        InvalidRequestError: One is not known, is there twice, or is wrong.

    """
    if isinstance(schema, type):
        if not request.query_string:
            return cast("T", _of_nothing(schema))
        schema = schema()
    query = request.query
    sent = dict(query)
    if len(sent) < len(query):
        counts = Counter(key for key, _ in query.items())
        twice = shortened(next(key for key in counts if counts[key] > 1))
        raise InvalidRequestError(f"The query parameter {twice!r} is there twice.", field=twice)
    return _load(schema, sent)


async def body_of(request: web.Request, schema: IncomingSchema[T]) -> T:
    """Return the body, checked by a schema. What the Content-Type says is not looked at: a body is JSON here.

    Raises:
        MalformedBodyError: It is not JSON.
        BodyTooLargeError: It is larger than the setting ``web.max_body``.
        InvalidRequestError: It is JSON, and does not fit the schema.

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
    """Return the body of a request that starts something of a user. One that is refused counts as a start.

    Raises:
        TooManyRequestsError: It is refused, and the user has no start left.
        InvalidRequestError: As ``body_of`` does.

    """
    try:
        return await body_of(request, schema)
    except InvalidRequestError:
        request.app[LIMITS].starts.demand(username)
        raise


async def read_body(request: web.Request) -> bytes:
    """Return the body, as it was sent.

    Raises:
        MalformedBodyError: It does not arrive as its headers say.
        BodyTooLargeError: It is larger than the setting ``web.max_body``.
        BodyTimeoutError: It does not arrive in time.
        TooManyRequestsError: Many others have not arrived yet either.

    """
    if request.content_length is not None and request.content_length > request.client_max_size:
        raise BodyTooLargeError(request.client_max_size)
    try:
        if request.content.is_eof():  # all of it is here
            return await request.read()
        seconds = request.app[SERVICE].settings.deadlines.body
        with request.app[LIMITS].requests.body():
            try:
                async with asyncio.timeout(seconds):
                    return await request.read()
            except TimeoutError:
                raise BodyTimeoutError(seconds) from None
    except (web.RequestPayloadError, web.HTTPBadRequest):
        raise MalformedBodyError("The body does not arrive as its headers say.") from None


@cache
def _of_nothing(schema: type[IncomingSchema[Any]]) -> object:
    """Return what a schema makes of a query without parameters, which nobody changes: to make a schema takes time."""
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


def _refusal(found: list[tuple[str, str]]) -> InvalidRequestError:
    named = [(shortened(field), message) for field, message in found[:MOST_NAMED]]
    errors = [{"field": field, "message": f"{field or repr(field)} {message}"} for field, message in named]
    more = len(found) - len(errors)
    sentences = [error["message"] for error in errors] + ([f"{more} more are wrong."] if more else [])
    return InvalidRequestError(" ".join(sentences), errors=errors)
