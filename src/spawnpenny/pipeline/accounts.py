"""All users that this replica owns, by the slug of their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.users import User
from spawnpenny.errors import NameCollisionError
from spawnpenny.pipeline.account import Account, Run
from spawnpenny.pipeline.record import UserRecord


class Accounts:
    """The accounts in memory: one for each record, and one for each user whose first request is being looked at."""

    def __init__(self) -> None:
        self._by_slug: dict[str, Account] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._by_slug.values()))

    def add(self, record: UserRecord) -> Account:
        slug = safe_slug(record.user.username)
        account = Account(slug, record, runs={key: Run(spawn, begun=None) for key, spawn in record.spawns.items()})
        self._by_slug[slug] = account
        return account

    def drop(self, account: Account) -> None:
        """Let go of an account that another replica has."""
        self._by_slug.pop(account.slug, None)

    def by_slug(self, slug: str) -> Account | None:
        return self._by_slug.get(slug)

    def find(self, username: str) -> Account | None:
        """Return the account of a user, or None where nothing is known of the user."""
        account = self._by_slug.get(safe_slug(username))
        if account is None or account.username != username or account.record.version is None:
            return None
        return account

    @asynccontextmanager
    async def locked(self, user: User, owner: str) -> AsyncIterator[Account]:
        """Hold the account of a user, made anew where there is none, under its lock.

        Raises:
            NameCollisionError: Another user's name comes to the same slug.

        """
        slug = safe_slug(user.username)
        account = self._by_slug.setdefault(slug, Account(slug, UserRecord(user, owner)))
        if account.username != user.username:
            raise NameCollisionError(user.username, slug)
        account.holders += 1
        try:
            async with account.lock:
                yield account
        finally:
            account.holders -= 1
            if account.idle:
                self._by_slug.pop(slug, None)
