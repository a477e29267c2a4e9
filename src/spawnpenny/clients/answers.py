"""Answers of the service as frozen dataclasses. A member that a newer service adds is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, TypeVar

from spawnpenny.clients.errors import UnexpectedAnswerError

T = TypeVar("T")
Answer = TypeVar("Answer", bound="FromJson")


class FromJson(Protocol):
    """A dataclass that is made from a JSON object."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self: ...


UNDOING: Final = "undoing"
"""The phase of a lab that has failed, and of which something is still there."""
DEFAULT_LAB: Final = "~default"
"""The name of a user's default lab."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why a lab failed or ended: a stable code, one sentence, and what its user can do, if anything.

    ``exit_code`` is that of its program, where that ended and it is known.
    """

    code: str
    message: str
    advice: str | None = None
    exit_code: int | None = None

    @property
    def told(self) -> str:
        """The sentence, and what to do about it."""
        return f"{self.message} {self.advice}" if self.advice else self.message


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a spawn, and how many seconds it took."""

    name: str
    state: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab. ``url`` is where it answers once it runs; times are seconds since the epoch.

    ``progress`` is how far it is, from 0 to 100. ``by`` is the identity that started it, empty where that is not known;
    ``client`` what the program calls itself that did. ``grace`` is how many seconds the pods of a lab that is being
    stopped have to end by themselves.
    """

    user: str
    lab: str
    start: str
    spawn: str
    phase: str
    url: str | None
    reason: Reason | None
    steps: tuple[Step, ...]
    requested_at: float
    deadline: float
    ended_at: float | None
    progress: int = 0
    by: str = ""
    client: str | None = None
    grace: float = 0

    @property
    def running(self) -> bool:
        return self.phase == "running"

    @property
    def over(self) -> bool:
        """Nothing of it is left but its history."""
        return self.phase in {"failed", "exited"}

    @property
    def doomed(self) -> bool:
        """It has failed, for a reason that is known, and what was made is still being deleted."""
        return self.phase == UNDOING and self.reason is not None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        steps = tuple(known(Step, step) for step in data["steps"])
        return known(cls, {**data, "steps": steps, "reason": reason_of(data)})


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    id: int


@dataclass(frozen=True, slots=True)
class User:
    """A commissioned user; ``status`` is ``commissioning``, ``active`` or ``failed``."""

    username: str
    status: str
    uid: int
    gid: int
    groups: tuple[Group, ...]
    reason: Reason | None
    last_changed: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        groups = tuple(known(Group, group) for group in data["groups"])
        return known(cls, {**data, "groups": groups, "reason": reason_of(data)})


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a lab or of a commissioning; ``phase``, ``step``, ``state`` and ``code`` as they apply.

    ``severity`` is ``warning``, or None where all is as it should be; ``progress`` how far it is, from 0 to 100.
    """

    id: str
    type: str
    time: float
    message: str
    phase: str | None = None
    step: str | None = None
    state: str | None = None
    code: str | None = None
    seconds: float | None = None
    severity: str | None = None
    progress: int | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return known(cls, data)

    @property
    def place(self) -> tuple[int, int]:
        """The place of this event among a user's events: a later one has a higher place."""
        return self.place_of(self.id)

    @staticmethod
    def place_of(event_id: str) -> tuple[int, int]:
        generation, _, number = event_id.partition("-")
        return (int(generation), int(number)) if generation.isdecimal() and number.isdecimal() else (0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of all labs. ``next`` is where the next page begins, None on the last one.

    ``unknown`` names users whose record cannot be read: their labs may run, and are not listed.
    """

    labs: tuple[Lab, ...]
    next: str | None
    unknown: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        labs = tuple(Lab.from_json(lab) for lab in data["labs"])
        return cls(labs, data.get("next"), tuple(data.get("unknown", ())))


@dataclass(frozen=True, slots=True)
class Hostnames:
    """The names under which a lab is reached by TLS."""

    hostnames: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(tuple(str(hostname) for hostname in data["hostnames"]))


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a token: the identity's name in records, the user that it speaks for, and its scopes."""

    name: str
    username: str | None
    scopes: frozenset[str]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(str(data["name"]), data["username"], frozenset(map(str, data["scopes"])))


def read(cls: type[Answer], data: Mapping[str, Any]) -> Answer:
    """Return what a JSON object says.

    Raises:
        UnexpectedAnswerError: It says something else.

    """
    try:
        return cls.from_json(data)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UnexpectedAnswerError("The answer is not one of spawnpenny: is this its URL?") from None


def reason_of(data: Mapping[str, Any]) -> Reason | None:
    """Return the reason that an answer has."""
    return known(Reason, data["reason"]) if data["reason"] else None


def known(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return a dataclass of the members that it has; what a newer service adds is left out."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # they all are dataclasses
    return cls(**{key: value for key, value in data.items() if key in names})
