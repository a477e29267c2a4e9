"""Errors that the Hub shows to a user, and the failures that it counts.

JupyterHub 6 counts no ``SpawnException`` towards ``consecutive_failure_limit``. JupyterHub 5 has none, and counts every
failure: ``uncounted`` takes those back that say nothing about the Hub.
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
LATER: Final = "Try again in a few minutes; if it stays so, tell an administrator."
MISCONFIGURED: Final = "This Hub is not set up to start servers."
ADMINISTRATOR: Final = "Tell an administrator: the Hub's log says what has to be changed."

_MISLEADING: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})
"""What a browser would take for an answer about the Hub's own page."""
_Base: Any = getattr(hub, "SpawnException", web.HTTPError)
COUNTS_ALL: Final = not hasattr(hub, "SpawnException")
"""Whether this JupyterHub counts a failure whatever it is: it is one before 6."""


class RefusedError(_Base):  # type: ignore[misc]  # which class it is depends on JupyterHub's version
    """There is no server, for a reason that a restart of the Hub would not change.

    Attributes:
        code: What programs compare; the Hub's metrics have it as ``reason``.
        jupyterhub_message: What the user reads.

    """

    def __init__(self, code: str, message: str, *, advice: str | None = None, status: int = 400) -> None:
        self.code = code
        self.jupyterhub_message = f"{message} {advice}" if advice else message
        self.jupyterhub_html_message = "<br>".join(escape(each) for each in (message, advice) if each)
        if COUNTS_ALL:
            super().__init__(status, self.jupyterhub_message, reason=code)
        else:
            html = self.jupyterhub_html_message
            super().__init__(self.jupyterhub_message, reason=code, message_html=html, status_code=status)


class MisconfiguredError(RefusedError):
    """The Hub's configuration does not let it use the service.

    Attributes:
        cause: What is wrong and what to set, for the Hub's log; the user reads that an administrator has to act.

    """

    def __init__(self, cause: str) -> None:
        super().__init__("hub_misconfigured", MISCONFIGURED, advice=ADMINISTRATOR, status=503)
        self.cause = cause


class UnreachableServiceError(RefusedError):
    """The service does not answer, or has a fault of its own; ``cause`` is for the Hub's log."""

    def __init__(self, cause: str) -> None:
        super().__init__("service_unavailable", UNREACHABLE, advice=LATER, status=503)
        self.cause = cause


def refused(error: ProblemError) -> RefusedError:
    """Word a refusal of the service."""
    told = [f"{field}: {message}" for field, message in error.errors if message not in error.detail]
    message = " ".join([error.detail, *told])
    status = HTTPStatus.FORBIDDEN if error.status in _MISLEADING else error.status
    return RefusedError(error.code, message, advice=error.advice or None, status=status)


def cause_of(error: BaseException) -> str:
    """Return what the Hub's log has of an error: what is wrong, in full."""
    return str(getattr(error, "cause", "") or error or type(error).__name__)


def failed(lab: Lab) -> RefusedError:
    """Word why a lab that was accepted does not run."""
    if lab.reason is None:
        return RefusedError("spawn_failed", f"The server is {lab.phase}.", advice="Start it again.")
    return RefusedError(lab.reason.code, lab.reason.message, advice=lab.reason.advice)


def uncounted(spawner: Any, settings: dict[str, Any]) -> None:
    """Keep a JupyterHub that counts every failure from counting the one that ``start`` is about to raise.

    It counts when the spawn's future is done, by the spawner's limit then, and calls back in the order of asking.
    """
    future: asyncio.Future[Any] | None = spawner._spawn_future  # noqa: SLF001 - there is no other way to know
    if not COUNTS_ALL or future is None or future.done():
        return
    limit, spawner.consecutive_failure_limit = spawner.consecutive_failure_limit, 0

    def take_back(_: asyncio.Future[Any]) -> None:
        spawner.consecutive_failure_limit = limit
        settings["failure_count"] = max(0, settings.get("failure_count", 0) - 1)

    future.add_done_callback(take_back)
