"""A planned spawn, for tests of pure functions."""

from __future__ import annotations

from typing import Any, Final

from spawnpenny.domain.kinds import Kind, Kinds
from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import USER
from spawnpenny.domain.users import Group, User
from spawnpenny.pipeline.spawn import PlannedSpawn

ADA: Final = User("ada", 2001, 2002, (Group("physics", 3001),))


def make_spawn(kind: str = "lab", name: str = DEFAULT_LAB, user: User = ADA, **more: Any) -> PlannedSpawn:
    """Return a planned spawn of a lab or Dask cluster; ``more`` are further fields, such as ``env``."""
    parts: dict[str, Any] = {
        "id": "mark",
        "kind": kind,
        "name": name,
        "user": user,
        "names": Names.of(user.username, kind, name, prefix="lab-"),
        "options": {},
        "env": {},
        "resources": Resources(),
        "resources_in_use": Resources(),
        "kinds": Kinds({name: Kind(name, f"{name}s", name) for name in {"lab", kind} - {USER}}),
        "_patch": lambda _, pod: pod,
        "_notify": print,
        "_publish_url": print,
    }
    return PlannedSpawn(**{**parts, **more})
