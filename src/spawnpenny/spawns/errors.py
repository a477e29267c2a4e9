"""Errors of the life of a spawn."""

from __future__ import annotations

from spawnpenny.errors import InvalidRequestError, SpawnError, SpawnpennyError


class TlsUnsupportedError(InvalidRequestError):
    """Nothing that the pipeline makes is reached by TLS."""

    code = "tls_unsupported"
    title = "Labs are not given certificates here"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"This service gives no {kind} a certificate of its own. "
            "An administrator opens it by the setting plugins.lab.internal_ssl.",
            field="tls",
        )


class StartConflictError(SpawnpennyError):
    """Another start of the same lab is there."""

    code = "start_conflict"
    status = 409
    title = "Another start of this lab is there"


class ForeignStartError(SpawnpennyError):
    """Another caller started what would be replaced; ``facts`` carry by, client, start and phase."""

    code = "foreign_start"
    status = 409
    title = "Another caller started this lab"


class SpawnNotRunningError(SpawnpennyError):
    """The request needs a spawn that runs or comes up."""

    code = "not_running"
    status = 409
    title = "It does not run"


class TooManySpawnsError(SpawnpennyError):
    code = "too_many_spawns"
    status = 429
    title = "Too many at once"


class PodStuckError(SpawnError):
    """A pod that was deleted does not go, and holds up what comes after it."""

    code = "pod_stuck"
    title = "What was there before does not go"


class PurgeConflictError(SpawnpennyError):
    """The storage of a lab is being deleted: nothing starts on it before that is done."""

    code = "purge_conflict"
    status = 409
    title = "The storage is being deleted"


class RecordTooNewError(SpawnpennyError):
    """A newer version of spawnpenny wrote the record."""

    code = "record_too_new"
    status = 503
    title = "The user's record was written by a newer spawnpenny"


class RecordUnreadableError(SpawnpennyError):
    """The record is not what spawnpenny writes."""

    code = "record_unreadable"
    status = 503
    title = "The user's record cannot be read"


class RecordLostError(SpawnpennyError):
    """Another writer wrote the user's record: this replica must not go on with it."""

    code = "record_lost"
    status = 503
    title = "Another replica has taken the user over"
