"""A fault of an object: a part that is not valid."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A part of an object that is not valid.

    Attributes:
        path: The field of the object.
        message: The error.
        subject: The wrong name or value, by which the setting that it comes from can be found.

    """

    path: str
    message: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"
