"""The record of one user: all that any replica needs to go on with that user's spawns.

It is JSON in one Secret a user (``spawns.store``). ``domain.spawns`` has its bounds, and ``spawns.record_schema`` the
version of its schema.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from spawnpenny.domain.resources import Resources, total
from spawnpenny.domain.spawns import USER, Desired, Key
from spawnpenny.domain.users import User
from spawnpenny.spawns.record_schema import SCHEMA, upgraded
from spawnpenny.spawns.spawn_record import SpawnRecord


@dataclass(slots=True)
class Applied:
    """The last result of a ``user`` step: its hash, and the uid of its namespace (empty without one)."""

    hash: str
    namespace: str


@dataclass(slots=True)
class UserRecord:
    """One user: the user's spawns, and the state that they share.

    Attributes:
        uid_verified: Whether an authenticator or a commission has verified the uid.
        applied: The last results of ``user`` steps, by step.
        generation: The number of starts.
        write_id: The id of the last write. It begins with the ``writer_id`` of the writer, so that a writer knows its
            own write if the answer was lost. Every user state in memory has its own writer id.
        version: The resource version of the stored record.
        recorded: Whether the cluster has a record of the user.
        idle_since: Since when the user has had nothing, in seconds since the epoch.

    """

    user: User
    owner: str
    commissioned: bool = False
    uid_verified: bool = False
    namespace: str = ""
    applied: dict[str, Applied] = field(default_factory=dict)
    spawns: dict[Key, SpawnRecord] = field(default_factory=dict)
    generation: int = 0
    write_id: str = ""
    writer_id: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)
    version: str | None = None
    recorded: bool = False
    idle_since: float | None = None

    @property
    def has_things(self) -> bool:
        """Return whether the user has a spawn beside a commissioning, including one that is over and still listed."""
        return any(key.kind != USER for key in self.spawns)

    def sign(self) -> None:
        """Give the next write a new id."""
        self.write_id = f"{self.writer_id}.{secrets.token_hex(8)}"

    def is_by(self, writer_id: str) -> bool:
        """Return whether a writer wrote it last."""
        return self.write_id.startswith(f"{writer_id}.")

    def retire(self) -> None:
        """Forget the state that the user's spawns shared; the history stays."""
        self.commissioned = self.uid_verified = False
        self.namespace = ""
        self.applied.clear()

    def update_idle(self, now: float) -> None:
        """Set or clear ``idle_since``."""
        if self.has_things:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = now

    def take(self, stored: UserRecord, key: Key) -> None:
        """Copy what was stored for a new spawn. All else may have changed since, and stays."""
        self.user, self.owner = stored.user, stored.owner
        self.commissioned, self.uid_verified = stored.commissioned, stored.uid_verified
        self.generation, self.write_id = stored.generation, stored.write_id
        self.version, self.recorded = stored.version, stored.recorded
        self.spawns[key] = stored.spawns[key]

    def resources_in_use(self, *, but: Key) -> Resources:
        """Return what the user's active spawns use, except the spawn ``but`` and those that are leaving."""
        others = [spawn for key, spawn in self.spawns.items() if key != but]
        return total(spawn.resources for spawn in others if spawn.active and not spawn.leaving)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "user": self.user.dossier(),
            "owner": self.owner,
            "commissioned": self.commissioned,
            "uid_verified": self.uid_verified,
            "namespace": self.namespace,
            "applied": {name: [applied.hash, applied.namespace] for name, applied in self.applied.items()},
            "spawns": [spawn.to_json() for spawn in self.spawns.values()],
            "generation": self.generation,
            "write_id": self.write_id,
            "idle_since": self.idle_since,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, kinds: Container[str] | None = None) -> UserRecord:
        """Read a record.

        Spawns of other kinds than ``kinds`` are written as they are read, unless they are to be gone.

        Raises:
            RecordTooNewError: A newer version wrote it.
            RecordUnreadableError: The schema is older than the one before this one.

        """
        data = upgraded(data)
        spawns = [SpawnRecord.from_json(spawn) for spawn in data["spawns"]]
        for spawn, stored in zip(spawns, data["spawns"], strict=True):
            if kinds is not None and spawn.key.kind not in kinds and spawn.desired is not Desired.GONE:
                spawn.stored = stored
        return cls(
            user=User.from_dossier(data["user"]),
            owner=data["owner"],
            commissioned=data["commissioned"],
            uid_verified=data["uid_verified"],
            namespace=data["namespace"],
            applied={name: Applied(*applied) for name, applied in data["applied"].items()},
            spawns={spawn.key: spawn for spawn in spawns},
            generation=data["generation"],
            write_id=data["write_id"],
            idle_since=data["idle_since"],
        )
