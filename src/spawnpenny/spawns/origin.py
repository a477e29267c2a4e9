"""Origin annotation: a spawn and its user, written on the spawn's pod, to record them again if the record is lost."""

from __future__ import annotations

import json
import time
from typing import Any

from spawnpenny.domain import labels
from spawnpenny.domain.conformity import demand_conforming
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Caller, Key, SpawnRequest
from spawnpenny.domain.users import User
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.record_schema import ORIGIN_FIELDS, renamed
from spawnpenny.spawns.spawn_record import SpawnRecord


def origin_of(record: SpawnRecord, user: UserRecord) -> str:
    """Return the annotation for the pods of a spawn."""
    origin = {
        "key": str(record.key),
        "start": record.request.start,
        "options": record.request.options,
        "started_by": record.started_by,
        **({"started_as_user": True} if record.started_as_user else {}),
        **({"client": record.request.client} if record.request.client else {}),
        **({"caller": record.request.caller.to_json()} if record.request.caller else {}),
        "user": user.user.dossier(),
        "commissioned": user.commissioned,
        "uid_verified": user.uid_verified,
    }
    return json.dumps(origin, ensure_ascii=False, sort_keys=True)


def read_origin(pod: Manifest, *, seconds: float) -> tuple[SpawnRecord, UserRecord]:
    """Return new records of the spawn and of the user from a pod; the spawn gets ``seconds`` to be ready.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: The annotation is missing or wrong.

    """
    metadata = pod["metadata"]
    origin: dict[str, Any] = renamed(json.loads(metadata["annotations"][labels.ORIGIN]), ORIGIN_FIELDS)
    record, user = _read_spawn(origin, metadata["labels"][labels.SPAWN], seconds), _read_user(origin)
    demand_conforming(record)
    demand_conforming(user)
    username = user.user.username
    if metadata["annotations"][labels.USERNAME] != username or metadata["labels"].get(labels.USER) != safe_slug(
        username
    ):
        raise ValueError("it names two users")
    return record, user


def _read_spawn(origin: dict[str, Any], spawn_id: str, seconds: float) -> SpawnRecord:
    now = time.time()
    caller = Caller(**origin["caller"]) if "caller" in origin else None
    return SpawnRecord(
        key=Key.parse(origin["key"]),
        id=spawn_id,
        generation=0,
        request=SpawnRequest(origin["start"], origin["options"], caller=caller, client=origin.get("client", "")),
        started_by=origin.get("started_by", ""),
        started_as_user=origin.get("started_as_user", False),
        requested_at=now,
        deadline=now + seconds,
    )


def _read_user(origin: dict[str, Any]) -> UserRecord:
    user = User.from_dossier(origin["user"])
    return UserRecord(user, "", commissioned=origin["commissioned"], uid_verified=origin["uid_verified"])
