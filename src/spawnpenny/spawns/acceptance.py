"""Check a spawn before it is accepted, and decide about the spawns that it conflicts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from spawnpenny.auth.identity import Identity
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import MAX_SPAWNS, Desired, Key, Phase
from spawnpenny.domain.users import User
from spawnpenny.errors import NameCollisionError
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.errors import SpawnNotRunningError, StartConflictError, TooManySpawnsError
from spawnpenny.spawns.record import Replaced
from spawnpenny.spawns.user_state import UserState
from spawnpenny.spawns.views import Context

_ENDING: Final[Mapping[Phase, str]] = {
    Phase.UNDOING: "has failed",
    Phase.FAILED: "has failed",
    Phase.EXITED: "has ended",
}


def conflict(existing: ActiveSpawn, key: Key) -> StartConflictError:
    """Word the refusal of another start."""
    phase, what = existing.record.phase, key.describe()
    return StartConflictError(
        f"Another start of the {what} is there and {phase}.",
        phase=phase,
        start=existing.record.request.start,
    )


def demand_up(run: ActiveSpawn) -> None:
    """Refuse to change a spawn that is on its way out.

    Raises:
        SpawnNotRunningError: It is being stopped, has failed or has ended.

    """
    phase, key = run.record.phase, run.record.key
    if run.record.desired is Desired.GONE or phase.over or phase is Phase.UNDOING:
        why = f" {run.record.reason.message}" if run.record.reason else ""
        ending = _ENDING.get(phase, "is being stopped")
        raise SpawnNotRunningError(f"The {key.describe()} {ending}.{why}", phase=phase)


def refuse_collision(context: Context) -> None:
    """Refuse a name that comes to the same Kubernetes name as another spawn of the user.

    Raises:
        NameCollisionError: Which.

    """
    names, key = context.names, context.run.record.key
    for other in context.user_state.runs:
        taken = Names.of(
            context.user_state.username,
            other.kind,
            other.name,
            prefix=context.service_context.settings.namespaces.prefix,
        )
        if other != key and taken.base == names.base:
            raise NameCollisionError(key.name, names.base, what=f"another {key.kind}'s name")


def trial(user_state: UserState, user: User, identity: Identity, *, commissioned: bool) -> UserState:
    """Return the user state as it will be if the write succeeds; what drivers change meanwhile is shared with it."""
    uid_verified = (
        commissioned
        or user_state.record.uid_verified
        or (identity.username == user.username and identity.uid is not None)
    )
    record = replace(
        user_state.record,
        user=user,
        commissioned=commissioned or user_state.record.commissioned,
        uid_verified=uid_verified,
        generation=user_state.record.generation + 1,
        spawns=dict(user_state.record.spawns),
    )
    return UserState(user_state.slug, record, runs=user_state.runs)


def oldest_history(user_state: UserState, key: Key) -> ActiveSpawn | None:
    """Return what has to make room for a further spawn, or None where there is room.

    Raises:
        TooManySpawnsError: There is none, and nothing that is over.

    """
    if key in user_state.record.spawns or len(user_state.record.spawns) < MAX_SPAWNS:
        return None
    over = user_state.history()
    if not over:
        leaving = any(spawn.leaving for spawn in user_state.record.spawns.values())
        way_out = "Some of them are ending: try again in a moment." if leaving else "Stop one first."
        raise TooManySpawnsError(
            f"{user_state.username} has {MAX_SPAWNS} spawns already, as many as there may be. {way_out}",
            retry_after=5 if leaving else 30,
        )
    return over[0]


def to_replace(user_state: UserState, existing: ActiveSpawn | None) -> list[Replaced]:
    """Return what has to be gone before a spawn that takes the place of another one.

    Raises:
        TooManySpawnsError: As much as a record holds is still being taken away.

    """
    if existing is None or existing.record.reverted:
        return []
    replaces = [*existing.record.replaces, Replaced(existing.record.id, existing.record.uids)]
    if len(replaces) - (existing.begun == set()) > MAX_SPAWNS:
        raise TooManySpawnsError(
            f"{len(replaces)} earlier starts of {user_state.username} are still being taken away. Try again later.",
            retry_after=30,
        )
    return replaces
