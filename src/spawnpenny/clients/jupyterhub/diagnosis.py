"""Explanation of an error of the service: a sentence for the user, and a remedy for the administrator."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError, UnreachableServiceError, refused

_KNOWN: Final = (
    "Set SpawnpennySpawner.token_file or token to a token whose SHA-256 is in `tokens` of the service's settings"
)
_URL: Final = "Set SpawnpennySpawner.url to the URL of spawnpenny"


def diagnosed(error: Exception, *, scope: str = "read:any") -> RefusedError:
    """Return the error of a request with the Hub's own token: a wrong configuration, or a service that does not answer.

    Args:
        error: The error of the request.
        scope: The scope that the request needs.

    """
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, UnexpectedAnswerError):
        return MisconfiguredError(
            f"{_sentence(error)} {_URL}, and ca_file to a file with the authorities of its certificate."
        )
    if isinstance(error, ProblemError):
        return _of_problem(error, scope)
    if isinstance(error, ClientError | TimeoutError):
        return UnreachableServiceError(str(error) or "The service did not answer in time.")
    return UnreachableServiceError(str(error) or type(error).__name__)


def refused_with_own_credential(error: ProblemError) -> RefusedError:
    """Return the error of a start with the credential of a user that was refused."""
    return refused(error) if _is_answer(error) else _of_problem(error, "")


def _of_problem(error: ProblemError, scope: str) -> RefusedError:
    if error.code == "unauthenticated":
        return MisconfiguredError(f"spawnpenny does not accept the Hub's token: {error.detail} {_KNOWN}.")
    if error.code == "forbidden" and scope == "spawn:any":
        return MisconfiguredError(
            "The Hub's token may not start servers: give it the scope spawn:any, or set auth_state_field."
        )
    if error.code == "forbidden":
        return MisconfiguredError(
            f"The Hub's token does not have the scope {scope}: add it in `tokens` of the service's settings."
        )
    if not error.code and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return MisconfiguredError(f"The answer is not from spawnpenny (HTTP {error.status}). {_URL}.")
    if not _is_answer(error):
        request = f" (request {error.request_id})" if error.request_id else ""
        return UnreachableServiceError(f"{error.detail} (HTTP {error.status}){request}")
    return refused(error)


def _is_answer(error: ProblemError) -> bool:
    """Return whether the service itself refused."""
    return bool(error.code) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR


def _sentence(error: Exception) -> str:
    text = str(error)
    return text if text.endswith((".", "?")) else f"{text}."
