"""Refusals as dask-gateway's client takes them: ``{"error": text}``, with a status whose text it shows its user.

Of 404, 409, 422 and 500 it shows the text; of all others, such as 403, 429 and 503, it shows no more than the number.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain.advice import advice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.domain.spawns import Reason

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
"""Codes whose sentence says all in a notebook: their advice is for who writes requests, or waits for a lab."""


def is_gateways(path: str) -> bool:
    """Return whether a path belongs to the gateway protocol, even if it has no route."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def refusal(
    status: int, code: str, told: str, *, request_id: str, own: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Return status and body of a refusal, of an error's status, code and sentence; ``own`` is its own advice."""
    shown = _SHOWN.get(status, status)
    text = f"{told} Its request_id is {request_id}." if shown == HTTPStatus.INTERNAL_SERVER_ERROR else told
    return shown, {"error": text if own is None and code in _SAID else advised(code, text, own)}


def worded(reason: Reason) -> str:
    """Word why a cluster failed or ended, with what its user can do about it."""
    return advised(reason.code, reason.message, reason.advice)


def advised(code: str, text: str, own: str | None = None) -> str:
    """Add to a sentence what its reader can do about it; ``own`` is what the error itself advises."""
    what_helps = own or advice(code)
    return f"{text} {what_helps}" if what_helps else text
