"""Compare callers: only the caller that made a start may replace it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spawnpenny.domain.spawns import Desired, Phase
from spawnpenny.spawns.errors import ForeignStartError

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Identity
    from spawnpenny.domain.kinds import Kinds
    from spawnpenny.domain.spawns import SpawnRequest
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.spawns.spawn_record import SpawnRecord


def refuse_foreign(
    existing: ActiveSpawn, username: str, request: SpawnRequest, identity: Identity, kinds: Kinds
) -> None:
    """Refuse to replace the spawn of another caller, unless it is already ending.

    Raises:
        ForeignStartError: Another caller started it.

    """
    record = existing.record
    if record.desired is Desired.GONE or record.phase is Phase.UNDOING:
        return
    if same_caller(record, request.client, identity.name, own=identity.username == username):
        return
    raise ForeignStartError(
        f"{username}'s {kinds.describe(record.key)} is {record.phase}: {caller_of(record)} started it at "
        f"{_time(record)}, and another caller cannot replace it.",
        by=record.started_by,
        client=record.request.client or None,
        start=record.request.start,
        phase=record.phase,
    )


def same_caller(record: SpawnRecord, client: str, by: str, *, own: bool) -> bool:
    """Return whether an identity is the caller that made a record.

    The name of the identity decides: it stays when a token's value changes. ``client`` distinguishes programs that
    share one identity, such as two Hubs that forward one user's credential, or a Hub and the user's command line. It
    also joins the two identities of one program: a Hub's token and the credential of a user (``own``).
    """
    theirs = record.request.client
    if not record.started_by:  # recorded again from a pod without that name
        return True
    if theirs and client and theirs != client:
        return False
    if record.started_by == by:
        return theirs == client or not own
    return bool(client) and theirs == client and own != record.started_as_user


def caller_of(record: SpawnRecord) -> str:
    """Return the name of the caller that started a spawn, for messages."""
    return f"{record.started_by} ({record.request.client})" if record.request.client else record.started_by


def _time(record: SpawnRecord) -> str:
    return f"{datetime.fromtimestamp(record.requested_at, UTC):%Y-%m-%d %H:%M} UTC"
