"""Requests about users."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from spawnpenny.clients.answers import Event, Group, User, read
from spawnpenny.clients.session import Session, user_path
from spawnpenny.clients.streams import follow
from spawnpenny.clients.waiting import SLACK, until_gone


class UserRequests(Session):
    """The part of the client for users."""

    async def commission(self, user: str, *, uid: int, gid: int | None = None, groups: Iterable[Group] = ()) -> User:
        """Commission a user, and return the user once the dossier is stored. The site's order runs after that."""
        body: dict[str, Any] = {"uid": uid, "groups": [{"name": group.name, "id": group.id} for group in groups]}
        if gid is not None:
            body["gid"] = gid
        return read(User, await self._answer("PUT", user_path(user), body=body))

    async def user(self, user: str) -> User:
        """Return a commissioned user.

        Raises:
            ProblemError: With the code ``user_not_found``, the user is not commissioned.
            ClientError: There is no answer, or another refusal.

        """
        return read(User, await self._answer("GET", user_path(user)))

    async def retire(self, user: str, *, purge: bool = False, wait: float = 0) -> User | None:
        """Retire a user. Return None once it is done, or the user if that takes longer than ``wait`` seconds.

        ``purge`` also deletes the storage of the user.
        """

        async def send(part: float) -> User | None:
            query = {"wait": f"{part:.3f}"} | ({"purge": "storage"} if purge else {})
            answer = await self._request("DELETE", user_path(user), query=query, within=part + SLACK)
            return None if answer is None else read(User, answer)

        return await until_gone(send, wait, given_up=lambda existing: existing.status == "failed")

    def user_events(self, user: str, *, after: str | None = None) -> AsyncGenerator[Event]:
        """Yield the events of a user's commissioning, as ``lab_events`` does for labs."""
        return follow(self._connection(), f"{user_path(user)}/events", after=after)
