"""One thing that is not valid in an object."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not valid.

    ``path`` is the field of the object, ``message`` says what is wrong with it, ``subject`` is the name or value at
    fault, by which it can be found in the settings that it came from.
    """

    path: str
    message: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"
