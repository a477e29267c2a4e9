"""Retire a user: conditions for it, and placeholders for objects without a record."""

from __future__ import annotations

import secrets
import time
from typing import Final

from spawnpenny.domain.events import EventLog
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import Desired, Key, Kind, Phase, SpawnRequest
from spawnpenny.errors import UserConflictError
from spawnpenny.spawns.acceptance import oldest_history
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.record import SpawnRecord
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_state import UserState

COMMISSIONING: Final = Key(Kind.USER, "")


def stand_in(user_state: UserState, key: Key = COMMISSIONING, by: str = "") -> ActiveSpawn:
    """Add to a user state what stands for a user who is retired, or a lab whose storage goes, and return it.

    Raises:
        TooManySpawnsError: There is no room for it.

    """
    oldest = oldest_history(user_state, key)
    if oldest is not None:
        user_state.forget(oldest)
        oldest.vanish()
    user_state.record.generation += 1
    generation, now = user_state.record.generation, time.time()
    record = SpawnRecord(
        key=key,
        id=secrets.token_hex(8),
        generation=generation,
        request=SpawnRequest(secrets.token_hex(8)),
        by=by,
        requested_at=now,
        deadline=now,
        phase=Phase.RUNNING,
        reverted=key.kind is not Kind.USER,
        log=EventLog(generation),
    )
    run = user_state.runs[key] = ActiveSpawn(record)
    user_state.record.spawns[key] = record
    return run


def has_namespace(service_context: ServiceContext, username: str) -> bool:
    """Return whether a user has a namespace, also where there is no record of the user."""
    names = Names.of(username, Kind.USER, "", prefix=service_context.settings.namespaces.prefix)
    existing = service_context.namespaces.get(None, names.namespace)
    return existing is not None and "deletionTimestamp" not in existing["metadata"]


def refuse_retiring(user_state: UserState) -> None:
    """Refuse a spawn of a user who is being retired.

    Raises:
        UserConflictError: It has to wait until that is done.

    """
    for key, run in user_state.runs.items():
        if key.kind is Kind.USER and run.record.desired is Desired.GONE:
            raise UserConflictError(f"{user_state.username} is being retired; try again when that is done.")


def refuse_to_retire(user_state: UserState, *, purge: bool) -> None:
    """Refuse to retire a user who has something, or who is being retired otherwise.

    Raises:
        UserConflictError: What.

    """
    for key, run in user_state.runs.items():
        retiring = key.kind is Kind.USER and run.record.desired is Desired.GONE
        if retiring and purge and not run.record.request.options.get("purge"):
            raise UserConflictError(
                f"{user_state.username} is being retired without the storage; ask for that again when it is done."
            )
    active = sorted(str(key) for key, run in user_state.runs.items() if key.kind is not Kind.USER and run.record.active)
    if active:
        raise UserConflictError(f"{user_state.username} has {', '.join(active)}; stop what there is before retiring.")
