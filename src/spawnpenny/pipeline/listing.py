"""All spawns of a kind, by username and name: this replica's own, and those of the others as they were written last.

Reading a record costs much more than passing it over, so only those are read that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import SpawnpennyError
from spawnpenny.pipeline.account import Account, Run
from spawnpenny.pipeline.accounts import Accounts, make_account
from spawnpenny.pipeline.keeper import read_record, username_of
from spawnpenny.replicas.ownership import Ownership, slug_of

if TYPE_CHECKING:
    from spawnpenny.cluster.port import Manifest

START: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Directory:
    """Finds spawns in ``accounts`` and, for the users who are not there, in the records that are watched."""

    accounts: Accounts
    ownership: Ownership

    def list(
        self, kind: Kind, *, after: tuple[str, str] = START, limit: int | None = None
    ) -> list[tuple[Account, Run]]:
        """Return those after a username and name, as many as ``limit`` says."""
        return list(islice(self._later(kind, after), limit))

    def _later(self, kind: Kind, after: tuple[str, str]) -> Iterator[tuple[Account, Run]]:
        for account in self._accounts_from(after[0]):
            runs = [(key.name, run) for key, run in account.runs.items() if key.kind is kind]
            for name, run in sorted(runs, key=lambda each: each[0]):
                if (account.username, name) > after:
                    yield account, run

    def _accounts_from(self, username: str) -> Iterator[Account]:
        """Yield the accounts of this user and those that follow."""
        places: dict[str, Account | Manifest] = {
            username_of(record): record
            for record in self.ownership.records.items()
            if self.accounts.by_slug(slug_of(record)) is None
        }
        places |= {account.username: account for account in self.accounts}
        for name in sorted(each for each in places if each >= username):
            place = places[name]
            if isinstance(place, Account):
                yield place
            else:
                with suppress(SpawnpennyError):
                    yield make_account(read_record(place))
