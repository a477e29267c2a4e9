"""Errors that a request to the service can raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LATER: Final = frozenset({429, 503})


class ClientError(Exception):
    """A request came to nothing. ``str(error)`` is one sentence."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may go through; None where it would come to the same."""
        return None


class UnreachableError(ClientError):
    """The service did not answer. ``sent`` says whether it may have got the request all the same."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent

    @property
    def retry_after(self) -> float | None:
        return 0.0


class UnexpectedAnswerError(ClientError):
    """The answer does not follow spawnpenny's protocol."""


class ProblemError(ClientError):
    """The service refused, or could not: an RFC 9457 problem document.

    Attributes:
        code: What programs compare; empty where something in between answered, such as a proxy.
        status: The HTTP status.
        detail: One plain sentence.
        advice: What the user can do about it, or empty.
        errors: Each field of the request that is wrong, and why, where some are.
        request_id: The id of the request in the service's log.
        facts: All members of the document.

    """

    def __init__(self, status: int, document: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(document.get("code") or "")
        self.detail = str(document.get("detail") or document.get("title") or f"The answer is HTTP {status}.")
        self.advice = str(document.get("advice") or "")
        self.request_id = str(document.get("request_id") or "")
        self.errors = tuple((str(each.get("field")), str(each.get("message"))) for each in _objects(document))
        self.facts = dict(document)
        self._retry_after = retry_after
        super().__init__(self.detail)

    @property
    def retry_after(self) -> float | None:
        return self._retry_after if self.status in _LATER else None


class GatewayProblemError(ProblemError):
    """A route of the Dask gateway protocol refused, or could not.

    That protocol's client shows the words of few statuses, so that a status says little: what may go through later is
    said by ``Retry-After`` alone.
    """

    @property
    def retry_after(self) -> float | None:
        return self._retry_after


def _objects(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = document.get("errors")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
