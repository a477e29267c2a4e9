"""The record of one spawn, inside the record of its user."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from spawnpenny.domain.events import Event, EventLog
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import (
    MAX_STATE_BYTES,
    Caller,
    Desired,
    Key,
    Phase,
    Reason,
    Scale,
    SpawnRequest,
    StepProgress,
    StepState,
    Tls,
)

_OPTION: Final = "option."


@dataclass(slots=True)
class Replaced:
    """A spawn that must be gone before its replacement starts: its id, and the uids of its objects."""

    id: str
    uids: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class SpawnRecord:
    """One spawn. Times are seconds since the epoch.

    Attributes:
        started_by: The name of the identity that started it.
        started_as_user: Whether that identity acts as the user, not as a program such as a Hub.
        pod_uid: The uid of the main pod.
        reverted: Whether nothing of it is left.
        purge: Whether its storage is to be deleted with it.
        uids: The uids of the objects that it made, by ``Kind/name``.
        secrets: What its steps keep of it, and secret options, until it is over. ``env`` and ``tls`` of the request
            are kept only until it runs or has failed.
        scale: How many workers it is to have.
        idle_since: Since when nothing has run on it.
        state: What its steps have to know after a restart, as JSON data.
        stored: The JSON of the record of a spawn that no loaded plugin can look after. It is written as it was read.

    """

    key: Key
    id: str
    generation: int
    request: SpawnRequest
    started_by: str
    requested_at: float
    deadline: float
    desired: Desired = Desired.RUNNING
    phase: Phase = Phase.REQUESTED
    resources: Resources = field(default_factory=Resources)
    reason: Reason | None = None
    url: str | None = None
    pod_uid: str | None = None
    ended_at: float | None = None
    reverted: bool = False
    purge: bool = False
    started_as_user: bool = False
    steps: list[StepProgress] = field(default_factory=list)
    uids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    scale: Scale = field(default_factory=Scale)
    replaces: list[Replaced] = field(default_factory=list)
    idle_since: float | None = None
    state: dict[str, Any] = field(default_factory=dict)
    log: EventLog = field(default_factory=lambda: EventLog(0))
    stored: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def active(self) -> bool:
        """Return whether it has not ended."""
        return not self.phase.over

    @property
    def leaving(self) -> bool:
        """Return whether it is being deleted, so that its resources are free soon."""
        if self.phase.over:
            return not self.reverted
        return self.desired is Desired.GONE or self.phase is Phase.UNDOING

    @property
    def progress(self) -> int:
        """The progress from 0 to 100, by the steps that are done. It reaches 100 when the spawn runs."""
        if self.phase in {Phase.RUNNING, Phase.SUCCEEDED}:
            return 100
        done = sum(step.state in {StepState.DONE, StepState.SKIPPED} for step in self.steps)
        return 5 + 90 * done // len(self.steps) if self.steps and self.phase is not Phase.REQUESTED else 0

    @property
    def options(self) -> dict[str, Any]:
        """The chosen options, secret ones included."""
        hidden = {
            name.removeprefix(_OPTION): json.loads(text)
            for name, text in self.secrets.items()
            if name.startswith(_OPTION)
        }
        return {**self.request.options, **hidden}

    def choose(self, options: Mapping[str, Any], *, secret: Collection[str] = ()) -> None:
        """Keep the chosen options; the ``secret`` ones are stored among the secrets."""
        self.secrets |= {f"{_OPTION}{name}": json.dumps(options[name]) for name in options if name in secret}
        shown = {name: value for name, value in options.items() if name not in secret}
        self.request = replace(self.request, options=shown)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Texts that must never be shown: the secrets of the request, and those that its steps keep."""
        kept = [line for text in self.secrets.values() for line in text.splitlines() if not line.startswith("-----")]
        values = [
            str(value) for name in self.secrets if name.startswith(_OPTION) for value in _values(self.secrets[name])
        ]
        return (*self.request.secrets, *kept, *values)

    def forget_secrets(self) -> None:
        """Forget the caller's secrets once the pod has them."""
        self.request = replace(self.request, env={}, tls=None)

    def to_json(self) -> dict[str, Any]:
        if self.stored is not None:
            return dict(self.stored)
        return {
            "key": str(self.key),
            "id": self.id,
            "generation": self.generation,
            "start": self.request.start,
            "options": self.request.options,
            "env": self.request.env,
            "tls": asdict(self.request.tls) if self.request.tls else None,
            "started_by": self.started_by,
            "requested_at": self.requested_at,
            "deadline": self.deadline,
            "desired": self.desired,
            "phase": self.phase,
            "resources": self.resources.to_json(),
            "reason": self.reason.to_json() if self.reason else None,
            "url": self.url,
            "pod_uid": self.pod_uid,
            "ended_at": self.ended_at,
            "reverted": self.reverted,
            **({"purge": True} if self.purge else {}),
            **({"secrets": self.secrets} if self.secrets else {}),
            **({"scale": asdict(self.scale)} if self.scale != Scale() else {}),
            **({"caller": self.request.caller.to_json()} if self.request.caller else {}),
            **({"client": self.request.client} if self.request.client else {}),
            **({"started_as_user": True} if self.started_as_user else {}),
            **({"idle_since": self.idle_since} if self.idle_since is not None else {}),
            **({"state": self.state} if self.state else {}),
            "steps": [[step.name, step.state, step.seconds] for step in self.steps],
            "uids": self.uids,
            "replaces": [asdict(replaced) for replaced in self.replaces],
            "events": [event.to_json() for event in self.log.since(None)],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SpawnRecord:
        """Return the record that ``to_json`` wrote."""
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
            started_by=data["started_by"],
            started_as_user=data.get("started_as_user", False),
            idle_since=data.get("idle_since"),
            state=dict(data.get("state", {})),
            requested_at=data["requested_at"],
            deadline=data["deadline"],
            desired=Desired(data["desired"]),
            phase=Phase(data["phase"]),
            resources=_resources(data),
            reason=Reason(**data["reason"]) if data["reason"] else None,
            url=data["url"],
            pod_uid=data["pod_uid"],
            ended_at=data["ended_at"],
            reverted=data["reverted"],
            purge=data.get("purge", False),
            steps=[StepProgress(name, StepState(state), seconds) for name, state, seconds in data["steps"]],
            uids=dict(data["uids"]),
            secrets=dict(data.get("secrets", {})),
            scale=Scale(**data.get("scale", {})),
            replaces=[Replaced(**replaced) for replaced in data["replaces"]],
            log=EventLog(data["generation"], [Event.from_json(event) for event in data["events"]]),
        )


def _resources(data: Mapping[str, Any]) -> Resources:
    """Read the resources. Records up to schema 6 do not count spawns by kind: then it is one of its own kind."""
    return Resources.from_json({"spawns": {Key.parse(data["key"]).kind: 1}, **data["resources"]})


def demand_storable(state: Mapping[str, Any]) -> None:
    """Check what steps want to keep in a record.

    Raises:
        ValueError: It is too large, or no JSON.

    """
    try:
        size = len(json.dumps(state, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass"))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"what a step keeps has to be JSON: {error}") from None
    if size > MAX_STATE_BYTES:
        raise ValueError(f"what the steps of a spawn keep has {size} bytes; at most {MAX_STATE_BYTES} are taken")


def _values(text: str) -> Iterable[Any]:
    value = json.loads(text)
    return value.values() if isinstance(value, dict) else (value,)


def _tls(data: Mapping[str, Any]) -> Tls | None:
    tls = data["tls"]
    return Tls(**tls) if tls else None


def _caller(data: Mapping[str, Any]) -> Caller | None:
    caller = data.get("caller")
    return Caller(**caller) if caller else None
