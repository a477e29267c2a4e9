"""Events of a spawn, in order, each with an id from which a client can resume."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from spawnpenny.domain.spawns import MAX_EVENT_BYTES, MAX_EVENTS


class EventType(StrEnum):
    """``phase`` and ``step`` report a new state of the spawn or of one step; ``info`` is a message to the user."""

    PHASE = "phase"
    STEP = "step"
    INFO = "info"


class Severity(StrEnum):
    """The severity of an event; the values are those of Kubernetes' own events."""

    NORMAL = "normal"
    WARNING = "warning"


Notify = Callable[[str, Severity], None]
"""Sends a sentence to the user, as an event."""


class About(TypedDict, total=False):
    """The optional subject of an event: the fields of ``Event`` that not all events have."""

    phase: str | None
    step: str | None
    state: str | None
    code: str | None
    seconds: float | None
    severity: Severity | None
    progress: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    ``id`` is ``<generation>-<n>``, ``time`` seconds since the epoch; ``phase``, ``step`` and ``state`` as
    they apply. ``code`` is why a spawn failed or ended, or what is wrong with a part of one that runs. ``seconds`` is
    how long a step took that has come to its end, and how long after the request a spawn runs, has failed or has ended.
    ``severity`` is left out where it is normal; ``progress`` is how far the spawn is, from 0 to 100.
    """

    id: str
    type: EventType
    time: float
    message: str
    phase: str | None = None
    step: str | None = None
    state: str | None = None
    code: str | None = None
    seconds: float | None = None
    severity: Severity | None = None
    progress: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data, without the members that are None."""
        # asdict looks into each value for more dataclasses, and records have hundreds of events.
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        """Return the event that ``to_json`` wrote."""
        severity = Severity(data["severity"]) if "severity" in data else None
        return cls(**{**data, "type": EventType(data["type"]), "severity": severity})


class EventLog:
    """The last events of one spawn: bounded in number and in size, so that a record always fits into one Secret."""

    def __init__(self, generation: int, events: Iterable[Event] = ()) -> None:
        self.generation = generation
        self._events: deque[Event] = deque(events, maxlen=MAX_EVENTS)
        self._next = 1 + max((_number(event) for event in self._events), default=0)

    def add(self, type_: EventType, time: float, message: str, **about: Unpack[About]) -> Event:
        """Append an event; a message that is too long is cut."""
        message = message.encode(errors="replace").decode()  # a lone surrogate could not be stored
        event = Event(f"{self.generation}-{self._next}", type_, round(time, 3), message, **about)
        over = len(json.dumps(event.to_json(), ensure_ascii=False).encode()) - MAX_EVENT_BYTES
        if over > 0:
            kept = message.encode()[: max(0, len(message.encode()) - over - len("…".encode()))]
            event = Event(event.id, type_, event.time, kept.decode(errors="ignore") + "…", **about)
        self._next += 1
        self._events.append(event)
        return event

    def since(self, last_id: str | None) -> list[Event]:
        """Return the events after that id; all of them where the id is not in the log."""
        return self.after(self.position(last_id))

    def position(self, event_id: str | None) -> int:
        """Return the number of an event in this log, or 0 where it is not in it."""
        return next((_number(event) for event in self._events if event.id == event_id), 0)

    def after(self, number: int) -> list[Event]:
        """Return the events whose number is higher."""
        return [event for event in self._events if _number(event) > number]

    def __len__(self) -> int:
        return len(self._events)


def _number(event: Event) -> int:
    return int(event.id.partition("-")[2])
