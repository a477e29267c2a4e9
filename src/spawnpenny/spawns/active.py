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
"""The number of ended pods of one spawn that are kept in memory."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The reason why a part of a running spawn is not made, and when it is tried again (None: unknown).

    ``code`` is the code of the error that prevents it, if one does.
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
    """One spawn in memory.

    Attributes:
        started: The steps that have started; None if unknown, as after a restart of the service.
        task: The task that works on the spawn now.
        gone: Whether nothing of it is left, not even its history.
        moved: Whether another replica goes on with it.
        previous: The spawn whose place this one takes.
        ending: Whether the end of its pod is being handled.
        waiting_for: The last message to the user.
        kept: Why storage was kept that should be purged.
        trouble: The trouble of one of its pods.
        warned: Troubles of which the user has been warned once.
        changes: Notified when the supervised objects have changed.
        recorded_scale: The scale that holds while another one is being written.
        held_back: Why desired workers are not made.
        ended_parts: The last pods of it that ended, oldest first.
        scrubber: The scrubber for the secrets that the spawn had at the last use.

    """

    record: SpawnRecord
    started: set[str] | None = field(default_factory=set)
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
    recorded_scale: Scale | None = None
    held_back: HeldBack | None = None
    ended_parts: deque[EndedPart] = field(default_factory=lambda: deque(maxlen=MAX_ENDED_PARTS))

    def note_end(self, pod: Manifest) -> None:
        """Keep a further pod that has ended: it is deleted soon, and its reason is needed later."""
        if all(ended.pod["metadata"]["uid"] != pod["metadata"]["uid"] for ended in self.ended_parts):
            self.ended_parts.append(EndedPart(pod, time.time()))

    def add_event(self, type_: EventType, message: str, **about: Unpack[About]) -> Event:
        event = self.record.log.add(type_, time.time(), message, **about)
        self.bell.ring()
        return event

    def scrubbed(self, text: str, *, username: str) -> str:
        """Return a text without the caller's secrets. The username is no secret, though Hubs send it as a variable."""
        secrets = frozenset(self.record.hidden) - {username}
        if self.scrubber.secrets != secrets:
            self.scrubber = Scrubber(secrets)
        return self.scrubber(text)

    def take_the_place_of(self, existing: ActiveSpawn) -> None:
        """Cancel another run and replace it. One that has started no step has made nothing."""
        self.previous = existing
        if existing.task is not None:
            existing.task.cancel()  # in this turn of the event loop, so that no further step starts
        if existing.started == set():
            self.record.replaces = [replace for replace in self.record.replaces if replace.id != existing.record.id]

    def replaced_are_gone(self) -> None:
        """Mark the replaced runs as gone: the previous one, and those before it."""
        run, self.previous = self.previous, None
        while run is not None:
            run.vanish()
            run = run.previous

    def vanish(self) -> None:
        """Mark it as gone, and wake those who wait for it."""
        self.gone = True
        self.bell.ring()

    def move(self) -> None:
        """Cancel it here, as another replica goes on with it."""
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
        """Wait until nothing of it is left, or another replica goes on with it."""
        while not (self.gone or self.moved):
            await self.bell.next().wait()
