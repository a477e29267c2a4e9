"""The record of one user: all that any replica needs to go on with that user's spawns.

It is JSON in one Secret a user (``spawns.store``), bounded by what ``domain.spawns`` says, and carries a
schema version: a newer one is refused, so that an older replica never adopts it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from spawnpenny.domain.events import Event, EventLog
from spawnpenny.domain.resources import Resources, total
from spawnpenny.domain.spawns import (
    Caller,
    Desired,
    Key,
    Kind,
    Phase,
    Reason,
    Scale,
    SpawnRequest,
    StepProgress,
    StepState,
    Tls,
)
from spawnpenny.domain.users import User
from spawnpenny.errors import SpawnpennyError

SCHEMA: Final = 5
"""What this spawnpenny writes; it reads the one before as well."""
_OPTION: Final = "option."


class RecordTooNewError(SpawnpennyError):
    """A newer spawnpenny wrote the record."""

    code = "record_too_new"
    status = 503
    title = "The user's record was written by a newer spawnpenny"


class RecordUnreadableError(SpawnpennyError):
    """The record is not what spawnpenny writes."""

    code = "record_unreadable"
    status = 503
    title = "The user's record cannot be read"


@dataclass(slots=True)
class Replaced:
    """A spawn that has to be gone before the one that replaces it: its mark, and the uids of what it made."""

    id: str
    uids: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class SpawnRecord:
    """One spawn. Times are seconds since the epoch.

    ``env`` and ``tls`` are kept until the spawn runs or failed, ``secrets`` until it is over: they are what its steps
    keep of it. ``uids`` are those of the objects that it made, by ``Kind/name``; ``reverted`` says that nothing of it
    is left, ``purge`` that its storage is to go with it; ``scale`` is how many workers a Dask cluster is to have.
    ``by`` names the identity that started it, ``own`` says that this one speaks for the user. ``idle_since`` says since
    when nothing has run on a Dask cluster.
    """

    key: Key
    id: str
    generation: int
    request: SpawnRequest
    by: str
    requested_at: float
    deadline: float
    desired: Desired = Desired.RUNNING
    phase: Phase = Phase.REQUESTED
    resources: Resources = field(default_factory=Resources)
    reason: Reason | None = None
    url: str | None = None
    pod: str | None = None
    ended_at: float | None = None
    reverted: bool = False
    purge: bool = False
    own: bool = False
    steps: list[StepProgress] = field(default_factory=list)
    uids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    scale: Scale = field(default_factory=Scale)
    replaces: list[Replaced] = field(default_factory=list)
    idle_since: float | None = None
    log: EventLog = field(default_factory=lambda: EventLog(0))

    @property
    def active(self) -> bool:
        """Return whether it has not ended."""
        return not self.phase.over

    @property
    def leaving(self) -> bool:
        """Return whether it is being deleted: its resources are free soon."""
        if self.phase.over:
            return not self.reverted
        return self.desired is Desired.GONE or self.phase is Phase.UNDOING

    @property
    def progress(self) -> int:
        """The progress from 0 to 100: the part of its steps that is done, with something left until it runs."""
        if self.phase is Phase.RUNNING:
            return 100
        done = sum(step.state in {StepState.DONE, StepState.SKIPPED} for step in self.steps)
        return 5 + 90 * done // len(self.steps) if self.steps and self.phase is not Phase.REQUESTED else 0

    @property
    def options(self) -> dict[str, Any]:
        """The chosen options, with the secret ones."""
        hidden = {
            name.removeprefix(_OPTION): json.loads(text)
            for name, text in self.secrets.items()
            if name.startswith(_OPTION)
        }
        return {**self.request.options, **hidden}

    def choose(self, options: Mapping[str, Any], *, secret: Collection[str] = ()) -> None:
        """Note what was chosen, and what is secret of it apart from the rest."""
        self.secrets |= {f"{_OPTION}{name}": json.dumps(options[name]) for name in options if name in secret}
        shown = {name: value for name, value in options.items() if name not in secret}
        self.request = replace(self.request, options=shown)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Texts that must not be quoted: the secrets of the request, and those that its steps keep."""
        lines = [line for text in self.secrets.values() for line in text.splitlines() if not line.startswith("-----")]
        values = [
            str(value) for name in self.secrets if name.startswith(_OPTION) for value in _values(self.secrets[name])
        ]
        return (*self.request.secrets, *lines, *values)

    def forget_secrets(self) -> None:
        """Forget what the caller sent that is secret: it is where it was wanted."""
        self.request = replace(self.request, env={}, tls=None)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": str(self.key),
            "id": self.id,
            "generation": self.generation,
            "start": self.request.start,
            "options": self.request.options,
            "env": self.request.env,
            "tls": asdict(self.request.tls) if self.request.tls else None,
            "by": self.by,
            "requested_at": self.requested_at,
            "deadline": self.deadline,
            "desired": self.desired,
            "phase": self.phase,
            "asks": self.resources.to_json(),
            "reason": self.reason.to_json() if self.reason else None,
            "url": self.url,
            "pod": self.pod,
            "ended_at": self.ended_at,
            "reverted": self.reverted,
            **({"purge": True} if self.purge else {}),
            **({"secrets": self.secrets} if self.secrets else {}),
            **({"scale": asdict(self.scale)} if self.scale != Scale() else {}),
            **({"caller": asdict(self.request.caller)} if self.request.caller else {}),
            **({"client": self.request.client} if self.request.client else {}),
            **({"own": True} if self.own else {}),
            **({"idle_since": self.idle_since} if self.idle_since is not None else {}),
            "steps": [[step.name, step.state, step.seconds] for step in self.steps],
            "uids": self.uids,
            "replaces": [asdict(each) for each in self.replaces],
            "events": [event.to_json() for event in self.log.since(None)],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SpawnRecord:
        return cls(
            key=Key.parse(data["key"]),
            id=data["id"],
            generation=data["generation"],
            request=SpawnRequest(
                data["start"],
                dict(data["options"]),
                dict(data["env"]),
                tls=_tls(data),
                caller=_caller(data),
                client=data.get("client", ""),
            ),
            by=data["by"],
            own=data.get("own", False),
            idle_since=data.get("idle_since"),
            requested_at=data["requested_at"],
            deadline=data["deadline"],
            desired=Desired(data["desired"]),
            phase=Phase(data["phase"]),
            resources=Resources.from_json(data["asks"]),
            reason=Reason(**data["reason"]) if data["reason"] else None,
            url=data["url"],
            pod=data["pod"],
            ended_at=data["ended_at"],
            reverted=data["reverted"],
            purge=data.get("purge", False),  # written only where it is so
            steps=[StepProgress(name, StepState(state), seconds) for name, state, seconds in data["steps"]],
            uids=dict(data["uids"]),
            secrets=dict(data.get("secrets", {})),
            scale=Scale(**data.get("scale", {})),
            replaces=[Replaced(**each) for each in data["replaces"]],
            log=EventLog(data["generation"], [Event.from_json(event) for event in data["events"]]),
        )


@dataclass(slots=True)
class Applied:
    """The last result of a ``user`` step.

    The hash of it, and the uid of the namespace that it was made in (empty where in none).
    """

    hash: str
    namespace: str


@dataclass(slots=True)
class UserRecord:
    """One user, what all the user's spawns share, and the spawns themselves.

    ``uid_verified`` says that the uid is verified: by an authenticator, or by the commission of the user.
    ``generation`` counts the starts, ``idle_since`` is the time since which the user has had nothing. ``written`` names
    the last write and begins with the ``writer_id`` of who wrote it, so that a write whose answer was lost is known as
    one's own: each user state in memory has its own. ``recorded`` says that the cluster has a record of the user,
    ``version`` which one.
    """

    user: User
    owner: str
    commissioned: bool = False
    uid_verified: bool = False
    namespace: str = ""
    applied: dict[str, Applied] = field(default_factory=dict)
    spawns: dict[Key, SpawnRecord] = field(default_factory=dict)
    generation: int = 0
    written: str = ""
    writer_id: str = field(default_factory=lambda: secrets.token_hex(8), compare=False)
    version: str | None = None
    recorded: bool = False
    idle_since: float | None = None

    @property
    def has_things(self) -> bool:
        """Return whether the user has a lab or Dask cluster, or one that is over and can still be read about."""
        return any(key.kind is not Kind.USER for key in self.spawns)

    def sign(self) -> None:
        """Name the write that comes."""
        self.written = f"{self.writer_id}.{secrets.token_hex(8)}"

    def is_by(self, writer_id: str) -> bool:
        """Return whether a hand wrote it last."""
        return self.written.startswith(f"{writer_id}.")

    def retire(self) -> None:
        """Forget what was known of the user, but for what is still there to be read."""
        self.commissioned = self.uid_verified = False
        self.namespace = ""
        self.applied.clear()

    def mark_idle(self, now: float) -> None:
        """Note since when the user has had nothing, in seconds since the epoch."""
        if self.has_things:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = now

    def take(self, written: UserRecord, key: Key) -> None:
        """Take over what was written for a new spawn; all else here may have changed since, and stands."""
        self.user, self.owner = written.user, written.owner
        self.commissioned, self.uid_verified = written.commissioned, written.uid_verified
        self.generation, self.written = written.generation, written.written
        self.version, self.recorded = written.version, written.recorded
        self.spawns[key] = written.spawns[key]

    def resources_in_use(self, *, but: Key) -> Resources:
        """Return what the user's other active spawns use, but for those that are being taken away."""
        others = [spawn for key, spawn in self.spawns.items() if key != but]
        return total(spawn.resources for spawn in others if spawn.active and not spawn.leaving)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "user": self.user.dossier(),
            "owner": self.owner,
            "commissioned": self.commissioned,
            "vouched": self.uid_verified,
            "namespace": self.namespace,
            "applied": {name: [applied.hash, applied.namespace] for name, applied in self.applied.items()},
            "spawns": [spawn.to_json() for spawn in self.spawns.values()],
            "generation": self.generation,
            "written": self.written,
            "idle_since": self.idle_since,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UserRecord:
        """Read a record.

        Raises:
            RecordTooNewError: A newer spawnpenny wrote it.
            RecordUnreadableError: One wrote it that is older than the one before.

        """
        if data["schema"] < SCHEMA - 1:
            raise RecordUnreadableError(
                f"The record has schema {data['schema']}; this spawnpenny reads from {SCHEMA - 1}."
            )
        if data["schema"] > SCHEMA:
            raise RecordTooNewError(f"The record has schema {data['schema']}; this spawnpenny reads up to {SCHEMA}.")
        spawns = [SpawnRecord.from_json(spawn) for spawn in data["spawns"]]
        return cls(
            user=User.from_dossier(data["user"]),
            owner=data["owner"],
            commissioned=data["commissioned"],
            uid_verified=data["vouched"],
            namespace=data["namespace"],
            applied={name: Applied(*applied) for name, applied in data["applied"].items()},
            spawns={spawn.key: spawn for spawn in spawns},
            generation=data["generation"],
            written=data["written"],
            idle_since=data["idle_since"],
        )


def _values(text: str) -> Iterable[Any]:
    value = json.loads(text)
    return value.values() if isinstance(value, dict) else (value,)


def _tls(data: Mapping[str, Any]) -> Tls | None:
    told = data["tls"]
    return Tls(**told) if told else None


def _caller(data: Mapping[str, Any]) -> Caller | None:
    told = data.get("caller")  # from schema 4 on, as what is told of Dask clusters alone
    return Caller(**told) if told else None
