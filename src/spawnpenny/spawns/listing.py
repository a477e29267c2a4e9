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
from spawnpenny.spawns.user_registry import Accounts, make_account
from spawnpenny.spawns.user_state import Account

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.spawns.record import SpawnRecord

START: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Directory:
    """Finds spawns in ``accounts`` and, for the users who are not there, in the records that are watched."""

    accounts: Accounts
    ownership: Ownership

    def all(
        self, kind: Kind, *, after: tuple[str, str] = START, limit: int | None = None
    ) -> list[tuple[Account, ActiveSpawn]]:
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
    ) -> list[tuple[Account, ActiveSpawn]]:
        """Return the same, as far as ``where`` is true of them, with pauses: many may have to be passed over."""
        found: list[tuple[Account, ActiveSpawn]] = []
        async for place in paced(self._places_from(after[0])):
            found += [each for each in _of(place, kind, after) if where(each[1].record)]
            if len(found) >= limit:
                break
        return found[:limit]

    def _places_from(self, username: str) -> Iterator[Account | Manifest]:
        """Yield the account, or the stored record, of this user and of those that follow."""
        places: dict[str, Account | Manifest] = {
            username_of(record): record
            for record in self.ownership.records.items()
            if self.accounts.by_slug(slug_of(record)) is None
        }
        places |= {account.username: account for account in self.accounts}
        for name in sorted(each for each in places if each >= username):
            yield places[name]


def _of(place: Account | Manifest, kind: Kind, after: tuple[str, str]) -> list[tuple[Account, ActiveSpawn]]:
    """Return the spawns of a kind that a user has, by name, but for those up to a username and name."""
    account = place if isinstance(place, Account) else _read(place, kind)
    runs = [(key.name, run) for key, run in account.runs.items() if key.kind is kind] if account else []
    return [
        (account, run)
        for name, run in sorted(runs, key=lambda each: each[0])
        if account and (account.username, name) > after
    ]


def _read(record: Manifest, kind: Kind) -> Account | None:
    """Return the account of a record; None if it has no spawn of a kind, or cannot be read."""
    if may_have(record, kind):
        with suppress(SpawnpennyError):
            return make_account(read_record(record))
    return None
