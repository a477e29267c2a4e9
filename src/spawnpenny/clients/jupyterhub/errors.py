"""Errors that the Hub shows to users, and whether the Hub counts them as failures.

JupyterHub 6 does not count a ``SpawnException`` towards ``consecutive_failure_limit``. JupyterHub 5 has no such class
and counts every failure: ``uncounted`` takes back the failures that say nothing about the Hub.
"""

from __future__ import annotations

import asyncio
from html import escape
from http import HTTPStatus
from typing import Any, Final

from jupyterhub import spawner as hub
from tornado import web

from spawnpenny.clients.errors import ProblemError
from spawnpenny.clients.http import Lab

UNREACHABLE: Final = "The service that starts servers does not answer."
LATER: Final = "Try again in a few minutes. If that does not help, tell an administrator."
MISCONFIGURED: Final = "This Hub is not set up to start servers."
ADMINISTRATOR: Final = "Tell an administrator: the Hub's log says what has to be changed."

_MISLEADING: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})
"""Statuses that browsers would relate to the page of the Hub."""
_Base: Any = getattr(hub, "SpawnException", web.HTTPError)
COUNTS_ALL: Final = not hasattr(hub, "SpawnException")
"""Whether this JupyterHub counts every failure, as versions before 6 do."""


class RefusedError(_Base):  # type: ignore[misc]  # the class depends on JupyterHub's version
    """The server did not start, for a reason that a restart of the Hub does not change.

    Attributes:
        code: A stable code for programs; ``reason`` in the Hub's metrics.
        jupyterhub_message: The message for the user.

    """

    def __init__(self, code: str, message: str, *, advice: str | None = None, status: int = 400) -> None:
        self.code = code
        self.jupyterhub_message = f"{message} {advice}" if advice else message
        self.jupyterhub_html_message = "<br>".join(escape(sentence) for sentence in (message, advice) if sentence)
        if COUNTS_ALL:
            super().__init__(status, self.jupyterhub_message, reason=code)
        else:
            html = self.jupyterhub_html_message
            super().__init__(self.jupyterhub_message, reason=code, message_html=html, status_code=status)


class MisconfiguredError(RefusedError):
    """The Hub cannot use the service as it is configured.

    Attributes:
        cause: What is wrong and what to set, for the Hub's log. The user is sent to an administrator.

    """

    def __init__(self, cause: str) -> None:
        super().__init__("hub_misconfigured", MISCONFIGURED, advice=ADMINISTRATOR, status=503)
        self.cause = cause


class UnreachableServiceError(RefusedError):
    """The service does not answer or fails; ``cause`` is for the Hub's log."""

    def __init__(self, cause: str) -> None:
        super().__init__("service_unavailable", UNREACHABLE, advice=LATER, status=503)
        self.cause = cause


def refused(error: ProblemError) -> RefusedError:
    """Return the error for the user of a refusal by the service."""
    details = [f"{field}: {message}" for field, message in error.errors if message not in error.detail]
    message = " ".join([error.detail, *details])
    status = HTTPStatus.FORBIDDEN if error.status in _MISLEADING else error.status
    return RefusedError(error.code, message, advice=error.advice or None, status=status)


def cause_of(error: BaseException) -> str:
    """Return the full cause of an error, for the Hub's log."""
    return str(getattr(error, "cause", "") or error or type(error).__name__)


def failed(lab: Lab) -> RefusedError:
    """Return the error for the user of a lab that failed to start."""
    if lab.reason is None:
        return RefusedError("spawn_failed", f"The server is {lab.phase}.", advice="Start it again.")
    return RefusedError(lab.reason.code, lab.reason.message, advice=lab.reason.advice)


def uncounted(spawner: Any, settings: dict[str, Any]) -> None:
    """Keep a JupyterHub that counts every failure from counting the error that ``start`` is about to raise.

    JupyterHub counts in a callback when the spawn's future is done, with the limit that the spawner has then. Callbacks
    run in the order in which they were added.
    """
    future: asyncio.Future[Any] | None = spawner._spawn_future  # noqa: SLF001 - JupyterHub has no public name for it
    if not COUNTS_ALL or future is None or future.done():
        return
    limit, spawner.consecutive_failure_limit = spawner.consecutive_failure_limit, 0

    def take_back(_: asyncio.Future[Any]) -> None:
        spawner.consecutive_failure_limit = limit
        settings["failure_count"] = max(0, settings.get("failure_count", 0) - 1)

    future.add_done_callback(take_back)
