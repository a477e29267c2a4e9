"""Results of broker requests: a value, or an error that is raised again in the service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny import errors
from spawnpenny.broker.requests import ANSWER, TAKEN
from spawnpenny.errors import ProvisionError, SpawnpennyError
from spawnpenny.kubernetes.interface import Manifest

_LONGEST: Final = 2000
_FACTS: Final = 20
_ARGUMENTS: Final = frozenset({"self", "message"})
_UNREADABLE: Final = "The broker's answer cannot be read. An administrator has to look at its version."


def taken() -> Manifest:
    """Return the patch that says that a broker will see to a request, which takes longer."""
    return {"data": {TAKEN: "true"}}


def done(result: str | None) -> Manifest:
    """Return the patch that answers a request with its result."""
    return {"data": {ANSWER: json.dumps({"result": result})}}


def failed(error: SpawnpennyError) -> Manifest:
    """Return the patch that answers a request with an error: its code, its sentence, and those facts that are plain."""
    facts = {
        key: value
        for key, value in list(error.facts.items())[:_FACTS]
        if value is None or (isinstance(value, str | int | float) and len(str(value)) <= _LONGEST)
    }
    answer = {"code": error.code, "message": error.message[:_LONGEST], "facts": facts}
    return {"data": {ANSWER: json.dumps(answer)}}


def result_of(manifest: Manifest) -> str | None:
    """Return the result in the answer to a request.

    Raises:
        SpawnpennyError: The one that the broker met; a ``ProvisionError`` where its code is not known here.

    """
    try:
        answer = json.loads(manifest["data"][ANSWER])
        if "code" not in answer:
            result: str | None = answer["result"]
            return result
        error = _error(answer["code"], answer["message"], answer.get("facts", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProvisionError(_UNREADABLE) from None
    raise error


def _error(code: str, message: str, facts: Mapping[str, Any]) -> SpawnpennyError:
    cls = next((each for each in _classes(SpawnpennyError) if each.code == code), ProvisionError)
    error = cls.__new__(cls)  # some word themselves from what is not known here: this one is worded already
    SpawnpennyError.__init__(error, message, **{key: value for key, value in facts.items() if key not in _ARGUMENTS})
    return error


def _classes(base: type[SpawnpennyError]) -> Iterator[type[SpawnpennyError]]:
    if base.__module__ == errors.__name__:
        yield base
    for subclass in base.__subclasses__():
        yield from _classes(subclass)
