"""The live side of a user's record: its lock, the spawns under way, and their shared state."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from spawnpenny.domain.spawns import USER, Key
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.record import UserRecord


@dataclass
class UserState:
    """The state of one user.

    Attributes:
        lock: Held while the record is changed and written.
        holders: The number of users of this object, which must not be forgotten meanwhile.
        moved: Whether another replica, or another object here, owns the user now. Then this one must do nothing.
        unswept: Whether orphans may exist.
        adopted: The version of the record from which it was made.

    """

    slug: str
    record: UserRecord
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    step_locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    runs: dict[Key, ActiveSpawn] = field(default_factory=dict)
    holders: int = 0
    moved: bool = False
    unswept: bool = True
    adopted: str | None = None

    def demand_here(self) -> None:
        """Refuse to use a user state that has moved.

        Raises:
            ElsewhereError: It has moved.

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
        """Return whether it may be forgotten: it has no record and no spawns, and nothing holds it."""
        return not self.record.recorded and not self.runs and not self.holders

    def is_idle(self, *, before: float) -> bool:
        """Return whether the user has had nothing since a time, in seconds since the epoch."""
        since = self.record.idle_since
        return not self.holders and since is not None and since < before and not self.record.has_things

    def history(self) -> list[ActiveSpawn]:
        """Return the spawns that are over and reverted, oldest first, except a commissioning, which retiring needs."""
        over = [
            run
            for key, run in self.runs.items()
            if run.record.phase.over and run.record.reverted and not (key.kind == USER and self.record.commissioned)
        ]
        return sorted(over, key=lambda run: run.record.ended_at or 0.0)

    def spawn_ids(self) -> set[str]:
        """Return the ids of all spawns of the user, and of those that they replace."""
        return {
            spawn_id
            for run in self.runs.values()
            for spawn_id in (run.record.id, *(replaced.id for replaced in run.record.replaces))
        }

    def forget(self, run: ActiveSpawn) -> None:
        """Drop a spawn from the record, unless another one has taken its place. The caller holds the lock."""
        key, self.unswept = run.record.key, True
        if self.runs.get(key) is run:
            del self.runs[key]
        if self.record.spawns.get(key) is run.record:
            del self.record.spawns[key]
        for other in self.runs.values():
            other.changes.notify()  # it may be a cluster that ends with this lab

    def step_lock(self, step: str) -> asyncio.Lock:
        return self.step_locks.setdefault(step, asyncio.Lock())
