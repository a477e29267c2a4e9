"""Answers of the service as frozen dataclasses. Members that a newer service adds are ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, TypeVar

from spawnpenny.clients.errors import UnexpectedAnswerError

T = TypeVar("T")
Answer = TypeVar("Answer", bound="FromJson")


class FromJson(Protocol):
    """A dataclass that a JSON object can be read into."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self: ...


UNDOING: Final = "undoing"
"""The phase of a lab that has failed, and whose objects are being deleted."""
DEFAULT_LAB: Final = "~default"
"""The name of a user's default lab."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason why a lab failed or ended.

    Attributes:
        code: A stable code for programs.
        message: One sentence for people.
        advice: What the user can do about it, if anything.
        exit_code: The exit code of the program, if it ended and the code is known.

    """

    code: str
    message: str
    advice: str | None = None
    exit_code: int | None = None

    @property
    def text(self) -> str:
        """The message, with the advice if there is one."""
        return f"{self.message} {self.advice}" if self.advice else self.message


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a spawn, and its duration in seconds."""

    name: str
    state: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab. Times are seconds since the epoch.

    Attributes:
        user: The username.
        lab: The name of the lab.
        start: The id of the start, as the caller sent it.
        spawn: The id of the spawn in the logs.
        phase: The phase.
        url: The URL of the lab, once it runs.
        reason: Why it failed or ended.
        steps: The steps, in order.
        requested_at: The time of the request.
        deadline: The time at which the start fails.
        ended_at: The time of the end.
        progress: The progress, from 0 to 100.
        by: The identity that started the lab; empty if unknown.
        client: The name of the program that started the lab.
        grace: The grace period of the pods of a lab that is stopping, in seconds.

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
        """True if the lab runs."""
        return self.phase == "running"

    @property
    def over(self) -> bool:
        """True if only the history of the lab is left."""
        return self.phase in {"failed", "exited", "succeeded"}

    @property
    def doomed(self) -> bool:
        """True if the lab has failed for a known reason, and its objects are still being deleted."""
        return self.phase == UNDOING and self.reason is not None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        steps = tuple(known(Step, step) for step in data["steps"])
        return known(cls, {**data, "steps": steps, "reason": reason_of(data)})


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a user."""

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class User:
    """A commissioned user; ``status`` is ``commissioning``, ``active``, ``failed`` or ``retiring``."""

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
    """One event of a lab, a Dask cluster or a commissioning. Fields that do not apply are None.

    ``severity`` is ``warning`` if something is wrong, else None; ``progress`` is from 0 to 100.
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
    def position(self) -> tuple[int, int]:
        """The position of this event among the events of a user: later events have higher positions."""
        return self.position_of(self.id)

    @staticmethod
    def position_of(event_id: str) -> tuple[int, int]:
        """Return the position of an event from its id."""
        generation, _, number = event_id.partition("-")
        return (int(generation), int(number)) if generation.isdecimal() and number.isdecimal() else (0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of labs.

    Attributes:
        labs: The labs, by user and name.
        next: The cursor of the next page; None on the last one.
        unknown: Users whose records cannot be read. Their labs are not listed, but may run.

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
    """The host names of a lab for its TLS certificate."""

    hostnames: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(tuple(str(hostname) for hostname in data["hostnames"]))


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity of a token: its name in records, its user if it has one, and its scopes."""

    name: str
    username: str | None
    scopes: frozenset[str]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(str(data["name"]), data["username"], frozenset(map(str, data["scopes"])))


def read(cls: type[Answer], data: Mapping[str, Any]) -> Answer:
    """Return a JSON object as a dataclass.

    Raises:
        UnexpectedAnswerError: The object does not fit the dataclass.

    """
    try:
        return cls.from_json(data)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UnexpectedAnswerError("The answer is not from spawnpenny: is this its URL?") from None


def reason_of(data: Mapping[str, Any]) -> Reason | None:
    """Return the reason in an answer, if there is one."""
    return known(Reason, data["reason"]) if data["reason"] else None


def known(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return a dataclass of the members that it knows; members that a newer service adds are ignored."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # T is always a dataclass
    return cls(**{key: value for key, value in data.items() if key in names})
