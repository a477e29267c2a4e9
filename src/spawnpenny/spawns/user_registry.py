"""All users that this replica owns, by the slug of their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.users import User
from spawnpenny.errors import NameCollisionError, SpawnpennyError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.user_state import Account


def make_account(record: UserRecord) -> Account:
    """Return the account of a record."""
    runs = {key: ActiveSpawn(spawn, begun=None) for key, spawn in record.spawns.items()}
    return Account(safe_slug(record.user.username), record, runs=runs, adopted=record.version)


class Accounts:
    """The accounts in memory: one for each record, and one for each user whose first request is being looked at."""

    def __init__(self) -> None:
        self._by_slug: dict[str, Account] = {}
        self._refused: dict[str, tuple[str, SpawnpennyError]] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._by_slug.values()))

    def add(self, record: UserRecord) -> Account:
        account = make_account(record)
        self._by_slug[account.slug] = account
        return account

    def let_move(self, account: Account) -> None:
        """Forget an account that another replica looks after; what is under way is broken off."""
        account.moved = True
        if self._by_slug.get(account.slug) is account:
            del self._by_slug[account.slug]
        for run in account.runs.values():
            run.move()

    def forget(self, account: Account) -> None:
        """Forget a user. A task that waits for the account begins anew with it."""
        self.hold(account)
        account.record = UserRecord(User(account.username, 0, 0), account.record.owner)
        account.adopted = None
        self.let_go(account)

    def refuse(self, slug: str, username: str, error: SpawnpennyError) -> None:
        """Answer every request about a user with this error: the state of the user's labs is unknown."""
        self._refused[slug] = username, error
        self._by_slug.pop(slug, None)

    def welcome(self, slug: str) -> None:
        """Take back the refusal of a user."""
        self._refused.pop(slug, None)

    def refused(self) -> list[str]:
        """Return the users whose state is unknown."""
        return sorted(username for username, _ in self._refused.values())

    def is_refused(self, slug: str) -> bool:
        return slug in self._refused

    def by_slug(self, slug: str) -> Account | None:
        return self._by_slug.get(slug)

    def find(self, username: str) -> Account | None:
        """Return the account of a user, or None where nothing is known of the user.

        Raises:
            SpawnpennyError: The user's record cannot be read.

        """
        self.demand_readable(username)
        account = self._by_slug.get(safe_slug(username))
        if account is None or account.username != username or not account.record.recorded:
            return None
        return account

    def hold(self, account: Account) -> None:
        """Hold an account, so that it is not forgotten until ``let_go``."""
        account.holders += 1

    def let_go(self, account: Account) -> None:
        """Forget the account, if it was in nobody else's hands and nothing of it is written."""
        account.holders -= 1
        if account.idle and self._by_slug.get(account.slug) is account:
            self._by_slug.pop(account.slug, None)

    @asynccontextmanager
    async def locked(self, username: str, owner: str) -> AsyncIterator[Account]:
        """Hold the account of a user under its lock; one that nothing is known of is made anew, with no uid yet.

        Raises:
            NameCollisionError: Another user's name comes to the same slug.
            ElsewhereError: Another replica looks after the user by now.
            SpawnpennyError: The user's record cannot be read.

        """
        self.demand_readable(username)
        slug = safe_slug(username)
        account = self._by_slug.setdefault(slug, Account(slug, UserRecord(User(username, 0, 0), owner)))
        if account.username != username:
            raise NameCollisionError(username, slug)
        self.hold(account)
        try:
            async with account.lock:
                account.demand_here()
                yield account
        finally:
            self.let_go(account)

    def demand_readable(self, username: str) -> None:
        """Raise the error by which a user is refused, if any."""
        if (refused := self._refused.get(safe_slug(username))) is not None:
            raise refused[1].with_traceback(None)  # or each request would add to it
