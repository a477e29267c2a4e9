"""Errors of HTTP requests that reach no handler."""

from __future__ import annotations

from spawnpenny.errors import SpawnpennyError


class UnknownExpectationError(SpawnpennyError):
    """The header Expect has a value that HTTP does not know."""

    code = "expectation_unknown"
    status = 417
    title = "The expectation cannot be met"

    def __init__(self) -> None:
        super().__init__("The header Expect can only be 100-continue. Send that, or leave it out.")


class MalformedRequestError(SpawnpennyError):
    """The bytes are no valid HTTP request."""

    code = "request_malformed"
    status = 400
    title = "The request cannot be understood"


class NoSuchRouteError(SpawnpennyError):
    code = "route_not_found"
    status = 404
    title = "There is no such route"


class MethodNotAllowedError(SpawnpennyError):
    code = "method_not_allowed"
    status = 405
    title = "The route does not take this method"
