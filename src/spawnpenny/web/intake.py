"""Reads what a request brings: the names in its path, its query, its body. Nothing of it is believed."""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from urllib.parse import unquote_to_bytes

from aiohttp import web
from marshmallow import ValidationError

from spawnpenny.domain.names import check_cluster, check_lab, check_username
from spawnpenny.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    InvalidNameError,
    InvalidRequestError,
    MalformedBodyError,
)
from spawnpenny.schemas import flatten
from spawnpenny.web.exchange import exchange
from spawnpenny.web.keys import LIMITS, SERVICE
from spawnpenny.web.requests import IncomingSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

MAX_DEPTH: Final = 32
"""How deep the lists and objects of a body may be nested."""

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
    """Return the user whom a request is about: that of the path, else whoever asks, where the route is about them.

    Raises:
        InvalidNameError: The name may not be used.

    """
    return username_of(request) if "user" in request.match_info else exchange(request).own_user


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


def query_of(request: web.Request, schema: IncomingSchema[T]) -> T:
    """Return the query parameters, checked by a schema.

    Raises:
        InvalidRequestError: One is not known, is there twice, or is wrong.

    """
    query = request.query
    twice = next((key for key in query if len(query.getall(key)) > 1), None)
    if twice is not None:
        raise InvalidRequestError(f"The query parameter {twice!r} is there twice.", field=twice)
    return _load(schema, dict(query))


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
    data = _parse(raw)
    if not isinstance(data, dict):
        raise InvalidRequestError("The body has to be a JSON object.", field="body")
    return _load(schema, data)


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


def _parse(raw: bytes) -> Any:
    try:
        data = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise MalformedBodyError("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        told = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise MalformedBodyError(f"The body is not JSON: {told}.") from None
    except ValueError:  # also a number of thousands of digits
        raise MalformedBodyError("The body has a number that is not finite, or too long.") from None
    except RecursionError:
        raise MalformedBodyError(_too_deep()) from None
    if _depth_exceeds(data, MAX_DEPTH):
        raise MalformedBodyError(_too_deep())
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # 1e999
        raise ValueError(text)
    return number


def _too_deep() -> str:
    return f"The body is nested more than {MAX_DEPTH} deep."


def _depth_exceeds(data: Any, most: int) -> bool:
    level = [data]
    for _ in range(most):
        level = [inner for each in level if isinstance(each, dict | list) for inner in _members(each)]
        if not level:
            return False
    return True


def _members(container: dict[str, Any] | list[Any]) -> list[Any]:
    return list(container.values()) if isinstance(container, dict) else container


def _load(schema: IncomingSchema[T], data: Mapping[str, Any]) -> T:
    try:
        loaded: T = schema.load(data)
    except ValidationError as error:
        errors = [
            {"field": field, "message": f"{field or repr(field)} {message}"}
            for field, message in flatten(error.messages, dicts=False)
        ]
        raise InvalidRequestError(" ".join(each["message"] for each in errors), errors=errors) from None
    return loaded
