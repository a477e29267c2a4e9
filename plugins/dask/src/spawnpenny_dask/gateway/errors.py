"""Refusals in the form of dask-gateway: ``{"error": text}``, with a status whose text the client shows.

The client shows the text of 404, 409, 422 and 500. Of all others, such as 403, 429 and 503, it shows only the number.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.api.http import advice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.api.http import Reason

PREFIX: Final = "/gateway"
_SHOWN: Final[Mapping[int, int]] = {
    HTTPStatus.BAD_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.FORBIDDEN: HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS: HTTPStatus.CONFLICT,
    HTTPStatus.BAD_GATEWAY: HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_SAID: Final = frozenset({"request_invalid", "not_running"})
"""Codes whose advice does not help in a notebook: it is for authors of requests, and for users who wait for a lab."""


def refusal(
    status: int, code: str, message: str, *, request_id: str, own: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Return status and body of a refusal. ``own`` is the error's own advice."""
    shown = _SHOWN.get(status, status)
    text = f"{message} Its request_id is {request_id}." if shown == HTTPStatus.INTERNAL_SERVER_ERROR else message
    return shown, {"error": text if own is None and code in _SAID else advised(code, text, own)}


def explained(reason: Reason) -> str:
    """Return why a cluster failed or ended, with advice for its user."""
    return advised(reason.code, reason.message, reason.advice)


def advised(code: str, text: str, own: str | None = None) -> str:
    """Return a text with advice for its reader. ``own`` is the error's own advice."""
    helpful = own or advice(code)
    return f"{text} {helpful}" if helpful else text
