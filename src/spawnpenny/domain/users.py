"""A user, and the dossier that describes one (Moneypenny's word)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.domain.names import INVISIBLE, has_invisible

MAX_ID: Final = 2**31 - 1
"""The largest uid or gid."""
MAX_GROUPS: Final = 256
MAX_GROUP_NAME: Final = 255
GROUP_PATTERN: Final = rf"^(?![\s\S]*\s$)(?!\s)[^:,/{INVISIBLE}]+$"
"""The pattern of group names for JSON Schema; ``is_group_name`` knows the characters of the other planes, too."""
GROUP_NAME: Final = (
    f"1 to {MAX_GROUP_NAME} characters, no space at either end, and none of : , / or a control or invisible character"
)
"""The rule for group names, in words."""


def is_group_name(name: str) -> bool:
    """Return whether a group may have this name, which becomes part of a line in a group file."""
    fits = 0 < len(name) <= MAX_GROUP_NAME and name == name.strip()
    return fits and not any(character in ":,/" for character in name) and not has_invisible(name)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a user: its name, and the POSIX gid that its members' files may have."""

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class User:
    """The user of a spawn. uid and gid are POSIX ids; ``groups`` are the supplementary groups."""

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
        """Return the user that a valid dossier describes."""
        groups = tuple(Group(group["name"], group["id"]) for group in data.get("groups", ()))
        return cls(data["username"], data["uid"], data["gid"], groups)
