"""Errors of requests to the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LATER: Final = frozenset({429, 503})


class ClientError(Exception):
    """A request failed. ``str(error)`` is one sentence."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may succeed; None if it would fail again."""
        return None


class UnreachableError(ClientError):
    """The service did not answer. ``sent`` says whether it may have received the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may succeed; None if that is not known."""
        return 0.0


class UnexpectedAnswerError(ClientError):
    """The answer does not follow spawnpenny's protocol."""


class ProblemError(ClientError):
    """The service refused or failed: a problem document (RFC 9457).

    Attributes:
        code: A stable code for programs; empty if something else answered, such as a proxy.
        status: The HTTP status.
        detail: One sentence for people.
        advice: What the user can do about it; may be empty.
        errors: The fields of the request that are wrong, each with a message.
        request_id: The id of the request in the service's log.
        facts: All members of the document.

    """

    def __init__(self, status: int, document: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(document.get("code") or "")
        self.detail = str(document.get("detail") or document.get("title") or f"The answer is HTTP {status}.")
        self.advice = str(document.get("advice") or "")
        self.request_id = str(document.get("request_id") or "")
        self.errors = tuple((str(error.get("field")), str(error.get("message"))) for error in _objects(document))
        self.facts = dict(document)
        self._retry_after = retry_after
        super().__init__(self.detail)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may succeed; None if that is not known."""
        return self._retry_after if self.status in _LATER else None


class GatewayProblemError(ProblemError):
    """A route of the Dask gateway protocol refused or failed.

    The client of that protocol shows the messages of few statuses, so the status says little. Only ``Retry-After`` says
    whether the same request may succeed later.
    """

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the same request may succeed; None if that is not known."""
        return self._retry_after


def _objects(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = document.get("errors")
    return [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []
