"""The live side of a user's record: its lock, the spawns under way, and what they share."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Unpack

from spawnpenny.domain.events import About, Event, EventType
from spawnpenny.domain.spawns import Desired, Key, Kind, Phase, Scale
from spawnpenny.errors import ElsewhereError, SpawnError
from spawnpenny.pipeline.record import SpawnRecord, UserRecord
from spawnpenny.pipeline.scrub import Scrubber

if TYPE_CHECKING:
    from spawnpenny.cluster.port import Manifest

MAX_ENDED_PARTS: Final = 20
"""How many ended pods of one spawn are remembered."""


class Bell:
    """Wakes everybody who waits, each time it rings."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Return what the next ring sets: take it before looking, so that no ring is missed."""
        return self._rung


class News:
    """Says that something has changed, to each reader once."""

    def __init__(self) -> None:
        self._number = 0
        self._bell = Bell()

    def tell(self) -> None:
        self._number += 1
        self._bell.ring()

    def reader(self) -> Callable[[float], Awaitable[None]]:
        """Return what returns when there is something new since the last call, or after so many seconds."""
        heard = self._number

        async def until_news(seconds: float) -> None:
            nonlocal heard
            if heard == self._number:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._bell.next().wait()
            heard = self._number

        return until_news


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why something is not made that a running spawn is to have, and when it is tried again (None: not known).

    ``code`` is that of the error that kept it from being made, where one did.
    """

    message: str
    code: str | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class EndedPart:
    """A further pod of a spawn, such as a worker, that has ended: the pod as it was last heard of, and when."""

    pod: Manifest
    at: float


@dataclass
class Run:
    """One spawn under way, or standing.

    ``task`` is what changes it at the moment. ``begun`` names the steps that have begun; None where that is not known,
    as after a restart. ``previous`` is what this run takes the place of. ``ending`` says that the end of its pod is
    being looked into. ``waiting_for`` was told last, and ``trouble`` is what a pod of it is in. ``gone`` is set when
    nothing of it is left, not even its history; ``moved`` when another replica goes on with it. ``kept`` says why
    storage stays that was to go with it. ``warned`` names what its user was warned of once. ``news`` tells when what is
    tended has changed; ``standing`` is the scale that holds while another one is being written. ``held_back`` says
    why workers are not made that it is to have, ``ended_parts`` are the last pods of it that ended, oldest first.
    ``scrubber`` knows the secrets that it last had.
    """

    record: SpawnRecord
    begun: set[str] | None = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    bell: Bell = field(default_factory=Bell)
    gone: bool = False
    moved: bool = False
    previous: Run | None = None
    ending: bool = False
    waiting_for: str = ""
    kept: str = ""
    scrubber: Scrubber = field(default_factory=Scrubber, repr=False)
    trouble: SpawnError | None = None
    warned: set[str] = field(default_factory=set)
    news: News = field(default_factory=News)
    standing: Scale | None = None
    held_back: HeldBack | None = None
    ended_parts: deque[EndedPart] = field(default_factory=lambda: deque(maxlen=MAX_ENDED_PARTS))

    def note_end(self, pod: Manifest) -> None:
        """Keep a further pod of the spawn that has ended: it is deleted soon, and its reason is asked for later."""
        if all(ended.pod["metadata"]["uid"] != pod["metadata"]["uid"] for ended in self.ended_parts):
            self.ended_parts.append(EndedPart(pod, time.time()))

    def add_event(self, type_: EventType, message: str, **about: Unpack[About]) -> Event:
        event = self.record.log.add(type_, time.time(), message, **about)
        self.bell.ring()
        return event

    def take_the_place_of(self, existing: Run) -> None:
        """Break off another run, and see to it that nothing of it is left; one that has not begun has made nothing."""
        self.previous = existing
        if existing.task is not None:
            existing.task.cancel()  # in this turn of the loop, so that what has not begun does not begin
        if existing.begun == set():
            self.record.replaces = [each for each in self.record.replaces if each.id != existing.record.id]

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
        """Whether nothing further happens by itself, here."""
        phase, wanted = self.record.phase, self.record.desired
        return self.over or (phase is Phase.RUNNING and wanted is Desired.RUNNING)

    @property
    def over(self) -> bool:
        """Whether nothing further happens, here."""
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


@dataclass
class Account:
    """A user.

    ``lock`` is held while the record is changed and written; ``holders`` counts who has the account in hand, and
    ``moved`` says that another replica looks after the user by now, or another account here, and nothing may be done by
    this one; ``unswept`` that something may be left over. ``adopted`` is the version of the record it was made of.
    """

    slug: str
    record: UserRecord
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    step_locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    runs: dict[Key, Run] = field(default_factory=dict)
    holders: int = 0
    moved: bool = False
    unswept: bool = True
    adopted: str | None = None

    def demand_here(self) -> None:
        """Refuse to go on with an account that has moved.

        Raises:
            ElsewhereError: It has.

        """
        if self.moved:
            raise ElsewhereError(None)

    @property
    def known(self) -> UserRecord | None:
        """The record, or None before the first one is written."""
        return self.record if self.record.recorded else None

    @property
    def username(self) -> str:
        return self.record.user.username

    @property
    def idle(self) -> bool:
        """Whether it may be forgotten: nothing is written of it, and nobody has it in hand."""
        return not self.record.recorded and not self.runs and not self.holders

    def is_idle(self, *, before: float) -> bool:
        """Whether the user has had nothing since a time, in seconds since the epoch."""
        since = self.record.idle_since
        return not self.holders and since is not None and since < before and not self.record.has_things

    def history(self) -> list[Run]:
        """Return what is over, with nothing left of it, oldest first; never a commissioning, which retiring needs."""
        over = [
            run
            for key, run in self.runs.items()
            if run.record.phase.over
            and run.record.reverted
            and not (key.kind is Kind.USER and self.record.commissioned)
        ]
        return sorted(over, key=lambda run: run.record.ended_at or 0.0)

    def marks(self) -> set[str]:
        """Return the marks of all spawns of the user, and of those that they replace."""
        return {
            mark
            for run in self.runs.values()
            for mark in (run.record.id, *(replaced.id for replaced in run.record.replaces))
        }

    def forget(self, run: Run) -> None:
        """Drop a spawn from the record, unless another one has taken its place. The caller holds the lock."""
        key, self.unswept = run.record.key, True
        if self.runs.get(key) is run:
            del self.runs[key]
        if self.record.spawns.get(key) is run.record:
            del self.record.spawns[key]
        for other in self.runs.values():
            other.news.tell()  # it may be one that ends with this one

    def step_lock(self, step: str) -> asyncio.Lock:
        return self.step_locks.setdefault(step, asyncio.Lock())
