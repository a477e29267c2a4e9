"""List all spawns of a kind, by username and name: those of this replica, and those in the records of the others.

To parse a record costs much more than to skip it, so only requested ones are parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from spawnpenny.aio.pacing import paced
from spawnpenny.domain.spawns import USER, Key
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
    """Finds spawns in ``user_registry`` and, for all other users, in the watched records."""

    user_registry: UserRegistry
    ownership: Ownership

    def all(
        self, kind: str, *, after: tuple[str, str] = START, limit: int | None = None
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return the spawns after a username and name, at most ``limit``."""
        found = (spawn for source in self._sources_from(after[0]) for spawn in _of(source, kind, after))
        return list(islice(found, limit))

    async def page(
        self,
        kind: str | None,
        *,
        after: tuple[str, str],
        limit: int,
        where: Callable[[SpawnRecord], bool],
    ) -> list[tuple[UserState, ActiveSpawn]]:
        """Return the same, filtered by ``where``, with pauses: many may have to be skipped."""
        found: list[tuple[UserState, ActiveSpawn]] = []
        async for source in paced(self._sources_from(after[0])):
            found += [(user_state, run) for user_state, run in _of(source, kind, after) if where(run.record)]
            if len(found) >= limit:
                break
        return found[:limit]

    def _sources_from(self, username: str) -> Iterator[UserState | Manifest]:
        """Yield the user state, or the stored record, of this user and of those that follow."""
        sources: dict[str, UserState | Manifest] = {
            username_of(record): record
            for record in self.ownership.records.items()
            if self.user_registry.by_slug(slug_of(record)) is None
        }
        sources |= {user_state.username: user_state for user_state in self.user_registry}
        for name in sorted(name for name in sources if name >= username):
            yield sources[name]


def is_of_kind(key: Key, kind: str | None) -> bool:
    """Return whether a spawn is of a kind; None: of any kind but the provisioning of a user."""
    return key.kind == kind if kind is not None else key.kind != USER


def place_of(key: Key, kind: str | None) -> str:
    """Return the place of a spawn among those of its user in a list of a kind; None: in a list of all kinds."""
    return key.name if kind is not None else str(key)


def _of(source: UserState | Manifest, kind: str | None, after: tuple[str, str]) -> list[tuple[UserState, ActiveSpawn]]:
    """Return a user's spawns of a kind, sorted by name, those after a username and place."""
    user_state = source if isinstance(source, UserState) else _read(source, kind)
    known = user_state.runs if user_state else {}
    runs = [(place_of(key, kind), run) for key, run in known.items() if is_of_kind(key, kind)]
    return [
        (user_state, run)
        for place, run in sorted(runs, key=lambda pair: pair[0])
        if user_state and (user_state.username, place) > after
    ]


def _read(record: Manifest, kind: str | None) -> UserState | None:
    """Return the user state of a record; None if it has no spawn of a kind, or cannot be read."""
    if kind is None or may_have(record, kind):
        with suppress(SpawnpennyError):
            return make_user_state(read_record(record))
    return None
