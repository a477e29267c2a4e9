"""All spawns of a kind, by username and name: this replica's own, and those of the others as they were written last.

Reading a record costs much more than passing it over, so only those are read that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from spawnpenny.aio.pacing import paced
from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import SpawnpennyError
from spawnpenny.replicas.ownership import Ownership, slug_of
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.store import may_have, read_record, username_of
from spawnpenny.spawns.user_registry import UserRegistry, make_user_state
from spawnpenny.spawns.user_state import UserState

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.spawns.spawn_record import SpawnRecord

START: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Directory:
    """Finds spawns in ``user_registry`` and, for the users who are not there, in the records that are watched."""

    user_registry: UserRegistry
    ownership: Ownership

    def all(
        self, kind: Kind, *, after: tuple[str, str] = START, limit: int | None = None
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return those after a username and name, as many as ``limit`` says."""
        found = (each for place in self._places_from(after[0]) for each in _of(place, kind, after))
        return list(islice(found, limit))

    async def page(
        self,
        kind: Kind,
        *,
        after: tuple[str, str],
        limit: int,
        where: Callable[[SpawnRecord], bool],
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return the same, as far as ``where`` is true of them, with pauses: many may have to be passed over."""
        found: list[tuple[UserState, ActiveSpawn]] = []
        async for place in paced(self._places_from(after[0])):
            found += [each for each in _of(place, kind, after) if where(each[1].record)]
            if len(found) >= limit:
                break
        return found[:limit]

    def _places_from(self, username: str) -> Iterator[UserState | Manifest]:
        """Yield the user state, or the stored record, of this user and of those that follow."""
        places: dict[str, UserState | Manifest] = {
            username_of(record): record
            for record in self.ownership.records.items()
            if self.user_registry.by_slug(slug_of(record)) is None
        }
        places |= {user_state.username: user_state for user_state in self.user_registry}
        for name in sorted(place for place in places if place >= username):
            yield places[name]


def _of(place: UserState | Manifest, kind: Kind, after: tuple[str, str]) -> list[tuple[UserState, ActiveSpawn]]:
    """Return the spawns of a kind that a user has, by name, but for those up to a username and name."""
    user_state = place if isinstance(place, UserState) else _read(place, kind)
    runs = [(key.name, run) for key, run in user_state.runs.items() if key.kind is kind] if user_state else []
    return [
        (user_state, run)
        for name, run in sorted(runs, key=lambda each: each[0])
        if user_state and (user_state.username, name) > after
    ]


def _read(record: Manifest, kind: Kind) -> UserState | None:
    """Return the user state of a record; None if it has no spawn of a kind, or cannot be read."""
    if may_have(record, kind):
        with suppress(SpawnpennyError):
            return make_user_state(read_record(record))
    return None
