"""All spawns of a kind, by username and name: this replica's own, and those of the others as they were written last.

Reading a record costs much more than passing it over, so only those are read that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import SpawnpennyError
from spawnpenny.pipeline.account import Account, Run
from spawnpenny.pipeline.accounts import Accounts, make_account
from spawnpenny.pipeline.keeper import may_have, read_record, username_of
from spawnpenny.replicas.ownership import Ownership, slug_of

if TYPE_CHECKING:
    from spawnpenny.cluster.port import Manifest
    from spawnpenny.pipeline.record import SpawnRecord

START: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Directory:
    """Finds spawns in ``accounts`` and, for the users who are not there, in the records that are watched."""

    accounts: Accounts
    ownership: Ownership

    def list(
        self,
        kind: Kind,
        *,
        after: tuple[str, str] = START,
        limit: int | None = None,
        where: Callable[[SpawnRecord], bool] = lambda _: True,
    ) -> list[tuple[Account, Run]]:
        """Return those after a username and name of which ``where`` is true, as many as ``limit`` says."""
        found = (place for place in self._later(kind, after) if where(place[1].record))
        return list(islice(found, limit))

    def _later(self, kind: Kind, after: tuple[str, str]) -> Iterator[tuple[Account, Run]]:
        for account in self._accounts_from(after[0], kind):
            runs = [(key.name, run) for key, run in account.runs.items() if key.kind is kind]
            for name, run in sorted(runs, key=lambda each: each[0]):
                if (account.username, name) > after:
                    yield account, run

    def _accounts_from(self, username: str, kind: Kind) -> Iterator[Account]:
        """Yield the accounts of this user and those that follow, as far as they have spawns of a kind."""
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
            elif may_have(place, kind):
                with suppress(SpawnpennyError):
                    yield make_account(read_record(place))
