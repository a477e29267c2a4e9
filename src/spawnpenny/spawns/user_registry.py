"""All users that this replica owns, by the slug of their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.users import User
from spawnpenny.errors import NameCollisionError, SpawnpennyError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.user_state import UserState


def make_user_state(record: UserRecord) -> UserState:
    """Return the user state of a record."""
    runs = {key: ActiveSpawn(spawn, started=None) for key, spawn in record.spawns.items()}
    return UserState(safe_slug(record.user.username), record, runs=runs, adopted=record.version)


class UserRegistry:
    """The user states in memory: one for each record, and one for each user whose first request is being handled."""

    def __init__(self) -> None:
        self._by_slug: dict[str, UserState] = {}
        self._refused: dict[str, tuple[str, SpawnpennyError]] = {}

    def __iter__(self) -> Iterator[UserState]:
        return iter(tuple(self._by_slug.values()))

    def add(self, record: UserRecord) -> UserState:
        user_state = make_user_state(record)
        self._by_slug[user_state.slug] = user_state
        return user_state

    def let_move(self, user_state: UserState) -> None:
        """Forget a user state that another replica owns now; its tasks are cancelled."""
        user_state.moved = True
        if self._by_slug.get(user_state.slug) is user_state:
            del self._by_slug[user_state.slug]
        for run in user_state.runs.values():
            run.move()

    def forget(self, user_state: UserState) -> None:
        """Forget a user. A task that waits for the user state gets it empty."""
        self.hold(user_state)
        user_state.record = UserRecord(User(user_state.username, 0, 0), user_state.record.owner)
        user_state.adopted = None
        self.let_go(user_state)

    def refuse(self, slug: str, username: str, error: SpawnpennyError) -> None:
        """Answer every request about a user with an error, as the state of the user's labs is unknown."""
        self._refused[slug] = username, error
        self._by_slug.pop(slug, None)

    def readmit(self, slug: str) -> None:
        """End the refusal of a user."""
        self._refused.pop(slug, None)

    def refused(self) -> list[str]:
        """Return the users whose state is unknown."""
        return sorted(username for username, _ in self._refused.values())

    def is_refused(self, slug: str) -> bool:
        return slug in self._refused

    def by_slug(self, slug: str) -> UserState | None:
        return self._by_slug.get(slug)

    def find(self, username: str) -> UserState | None:
        """Return the user state of a user, or None if the user is unknown.

        Raises:
            SpawnpennyError: The user's record cannot be read.

        """
        self.demand_readable(username)
        user_state = self._by_slug.get(safe_slug(username))
        if user_state is None or user_state.username != username or not user_state.record.recorded:
            return None
        return user_state

    def hold(self, user_state: UserState) -> None:
        """Hold a user state, so that it is not forgotten until ``let_go``."""
        user_state.holders += 1

    def let_go(self, user_state: UserState) -> None:
        """Release a held user state, and forget it if nothing else holds it and it has no record."""
        user_state.holders -= 1
        if user_state.idle and self._by_slug.get(user_state.slug) is user_state:
            self._by_slug.pop(user_state.slug, None)

    @asynccontextmanager
    async def locked(self, username: str, owner: str) -> AsyncIterator[UserState]:
        """Hold the user state of a user under its lock. An unknown user gets a new one, without a uid.

        Raises:
            NameCollisionError: Another user's name has the same slug.
            ElsewhereError: Another replica owns the user now.
            SpawnpennyError: The user's record cannot be read.

        """
        self.demand_readable(username)
        slug = safe_slug(username)
        user_state = self._by_slug.setdefault(slug, UserState(slug, UserRecord(User(username, 0, 0), owner)))
        if user_state.username != username:
            raise NameCollisionError(username, slug)
        self.hold(user_state)
        try:
            async with user_state.lock:
                user_state.demand_here()
                yield user_state
        finally:
            self.let_go(user_state)

    def demand_readable(self, username: str) -> None:
        """Raise the error by which a user is refused, if any."""
        if (refused := self._refused.get(safe_slug(username))) is not None:
            raise refused[1].with_traceback(None)  # else every request would make it longer
