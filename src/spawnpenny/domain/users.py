"""A user, and the dossier that describes one (Moneypenny's word)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    id: int


@dataclass(frozen=True, slots=True)
class User:
    """Who a spawn is for. uid and gid are POSIX ids; ``groups`` are the supplementary groups."""

    username: str
    uid: int
    gid: int
    groups: tuple[Group, ...] = ()

    def dossier(self) -> dict[str, Any]:
        """Return the JSON that a site's orders read: username, uid, gid, groups."""
        return {
            "username": self.username,
            "uid": self.uid,
            "gid": self.gid,
            "groups": [{"name": group.name, "id": group.id} for group in self.groups],
        }

    @classmethod
    def from_dossier(cls, data: Mapping[str, Any]) -> User:
        groups = tuple(Group(group["name"], group["id"]) for group in data.get("groups", ()))
        return cls(data["username"], data["uid"], data["gid"], groups)
