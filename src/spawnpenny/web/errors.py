"""Errors of the HTTP API."""

from __future__ import annotations

from spawnpenny.advice import advice
from spawnpenny.errors import InvalidRequestError, SpawnpennyError


class MalformedBodyError(InvalidRequestError):
    """Refuse a body that is not JSON."""

    code = "body_malformed"
    status = 400
    title = "The body is not JSON"


class BodyTooLargeError(InvalidRequestError):
    code = "body_too_large"
    status = 413
    title = "The body is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than the {limit} bytes that are allowed.", limit=limit)


class LabNotFoundError(SpawnpennyError):
    code = "lab_not_found"
    status = 404
    title = "There is no such lab"

    def __init__(self, username: str, lab: str) -> None:
        super().__init__(f"{username} has no lab {lab!r}.", user=username, lab=lab)


class SpawnNotFoundError(SpawnpennyError):
    """There is no such spawn. If its kind is known, the code is that of the kind, such as ``lab_not_found``."""

    code = "spawn_not_found"
    status = 404
    title = "There is no such spawn"

    def __init__(self, username: str, name: str, title: str = "spawn", *, field: str = "name", kind: str = "") -> None:
        super().__init__(
            f"{username} has no {title} {name!r}.",
            advice=advice(SpawnNotFoundError.code),
            **{"user": username, field: name},
        )
        if kind:
            self.code, self.title = f"{kind}_not_found", f"There is no such {title}"


class UserNotFoundError(SpawnpennyError):
    code = "user_not_found"
    status = 404
    title = "There is no such user"

    def __init__(self, username: str) -> None:
        super().__init__(f"The service does not know a user {username!r}.", user=username)


class BodyTimeoutError(SpawnpennyError):
    """The body of a request did not arrive in time."""

    code = "body_timeout"
    status = 408
    title = "The body did not arrive in time"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds} seconds. Send it again.")


class TooManyRequestsError(SpawnpennyError):
    """The request exceeds the limits; ``retry_after`` says when to come back."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"


class UnknownTicketError(SpawnpennyError):
    """A ticket for a dashboard is unknown, or was used."""

    code = "ticket_unknown"
    status = 404
    title = "The ticket is not good"
    advice = "Open the dashboard again from the cluster's page or widget, which has a new link."

    def __init__(self) -> None:
        super().__init__("The ticket is not known, or was used. The next answer about the spawn has a new one.")
