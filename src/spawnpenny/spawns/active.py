"""A spawn under way: its state in memory, and the callers that wait for it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Unpack

from spawnpenny.aio.notify import Bell, ChangeNotifier
from spawnpenny.domain.events import About, Event, EventType
from spawnpenny.domain.spawns import Desired, Phase, Scale
from spawnpenny.errors import SpawnError
from spawnpenny.spawns.scrub import Scrubber
from spawnpenny.spawns.spawn_record import SpawnRecord

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest


MAX_ENDED_PARTS: Final = 20
"""How many ended pods of one spawn are remembered."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The reason why a part of a running spawn is not made, and when it is tried again (None: not known).

    ``code`` is that of the error that kept it from being made, where one did.
    """

    message: str
    code: str | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class EndedPart:
    """A further pod of a spawn, such as a worker, that has ended: its last cached state, and the time."""

    pod: Manifest
    at: float


@dataclass
class ActiveSpawn:
    """One spawn under way, or standing.

    ``task`` is what changes it at the moment. ``begun`` names the steps that have begun; None where that is not known,
    as after a restart. ``previous`` is what this run takes the place of. ``ending`` says that the end of its pod is
    being looked into. ``waiting_for`` was reported last, ``trouble`` is that of one of its pods. ``gone`` is set when
    nothing of it is left, not even its history; ``moved`` when another replica goes on with it. ``kept`` says why
    storage stays that was to go with it. ``warned`` names what its user was warned of once. ``changes`` is notified
    when what is supervised has changed; ``standing`` is the scale that holds while another one is being written.
    ``held_back`` says why workers are not made that it is to have, ``ended_parts`` are the last pods of it that ended,
    oldest first.
    ``scrubber`` knows the secrets that it last had.
    """

    record: SpawnRecord
    begun: set[str] | None = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    bell: Bell = field(default_factory=Bell)
    gone: bool = False
    moved: bool = False
    previous: ActiveSpawn | None = None
    ending: bool = False
    waiting_for: str = ""
    kept: str = ""
    scrubber: Scrubber = field(default_factory=Scrubber, repr=False)
    trouble: SpawnError | None = None
    warned: set[str] = field(default_factory=set)
    changes: ChangeNotifier = field(default_factory=ChangeNotifier)
    standing: Scale | None = None
    held_back: HeldBack | None = None
    ended_parts: deque[EndedPart] = field(default_factory=lambda: deque(maxlen=MAX_ENDED_PARTS))

    def note_end(self, pod: Manifest) -> None:
        """Keep a further pod of the spawn that has ended: it is deleted soon, and its reason is needed later."""
        if all(ended.pod["metadata"]["uid"] != pod["metadata"]["uid"] for ended in self.ended_parts):
            self.ended_parts.append(EndedPart(pod, time.time()))

    def add_event(self, type_: EventType, message: str, **about: Unpack[About]) -> Event:
        event = self.record.log.add(type_, time.time(), message, **about)
        self.bell.ring()
        return event

    def take_the_place_of(self, existing: ActiveSpawn) -> None:
        """Break off another run, and see to it that nothing of it is left; one that has not begun has made nothing."""
        self.previous = existing
        if existing.task is not None:
            existing.task.cancel()  # in this turn of the loop, so that what has not begun does not begin
        if existing.begun == set():
            self.record.replaces = [replace for replace in self.record.replaces if replace.id != existing.record.id]

    def replaced_are_gone(self) -> None:
        """Say that nothing is left of what this run took the place of, and what that did before."""
        run, self.previous = self.previous, None
        while run is not None:
            run.vanish()
            run = run.previous

    def vanish(self) -> None:
        """Say that nothing is left of it."""
        self.gone = True
        self.bell.ring()

    def move(self) -> None:
        """Break it off here, as another replica goes on with it."""
        if self.task is not None:
            self.task.cancel()
        self.moved = True
        self.bell.ring()

    @property
    def settled(self) -> bool:
        """Return whether it stays as it is without a further request."""
        phase, desired = self.record.phase, self.record.desired
        return self.over or (phase is Phase.RUNNING and desired is Desired.RUNNING)

    @property
    def over(self) -> bool:
        """Return whether nothing further happens to it in this replica."""
        return self.gone or self.moved or self.record.phase.over

    async def events(self, last_id: str | None = None, *, follow: bool = False) -> AsyncIterator[Event]:
        """Yield the events after an id as they come, until the spawn is settled; ``follow``: until it is over."""
        log = self.record.log
        number = log.position(last_id)
        while True:
            rung = self.bell.next()
            for event in log.after(number):
                number = log.position(event.id)
                yield event
            if (self.over if follow else self.settled) and rung is self.bell.next():
                return
            await rung.wait()

    async def until_gone(self) -> None:
        """Return once nothing of it is left, or another replica goes on with it."""
        while not (self.gone or self.moved):
            await self.bell.next().wait()
