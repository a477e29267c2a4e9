"""Explain an error of a call to the service: to the user in a sentence, to the administrator with a remedy."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError, UnreachableServiceError, refused

_KNOWN: Final = (
    "Set SpawnpennySpawner.token_file, or token, to one whose SHA-256 is in `tokens` of the service's settings"
)
_URL: Final = "Set SpawnpennySpawner.url to where spawnpenny answers"


def diagnosed(error: Exception, *, scope: str = "read:any") -> RefusedError:
    """Return what a call with the Hub's own token came to: a wrong configuration, or a service that is away.

    Args:
        error: What the call raised.
        scope: The scope that the call needs.

    """
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, UnexpectedAnswerError):
        return MisconfiguredError(f"{_sentence(error)} {_URL}, and ca_file to the authorities of its certificate.")
    if isinstance(error, ProblemError):
        return _of_problem(error, scope)
    if isinstance(error, ClientError | TimeoutError):
        return UnreachableServiceError(str(error) or "The service is silent.")
    return UnreachableServiceError(str(error) or type(error).__name__)


def refused_with_own_credential(error: ProblemError) -> RefusedError:
    """Return what a refused start with a user's own credential came to."""
    return refused(error) if _is_answer(error) else _of_problem(error, "")


def _of_problem(error: ProblemError, scope: str) -> RefusedError:
    if error.code == "unauthenticated":
        return MisconfiguredError(f"spawnpenny does not know the Hub's token: {error.detail} {_KNOWN}.")
    if error.code == "forbidden" and scope == "spawn:any":
        return MisconfiguredError("The Hub's token may create no servers: set auth_state_field, or give it spawn:any.")
    if error.code == "forbidden":
        return MisconfiguredError(f"The Hub's token lacks the scope {scope}: give it that in the service's `tokens`.")
    if not error.code and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return MisconfiguredError(f"What answers is not spawnpenny (HTTP {error.status}). {_URL}.")
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
