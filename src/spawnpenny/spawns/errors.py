"""Errors of the life of a spawn."""

from __future__ import annotations

from spawnpenny.errors import InvalidRequestError, SpawnError, SpawnpennyError


class TlsUnsupportedError(InvalidRequestError):
    """Refuse a certificate for a spawn, as the pipeline serves nothing by TLS."""

    code = "tls_unsupported"
    title = "Labs are not given certificates here"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"This service gives no {kind} a certificate of its own. "
            "An administrator can allow it by the setting plugins.lab.internal_ssl.",
            field="tls",
        )


class StartConflictError(SpawnpennyError):
    """Refuse a start while another start of the same spawn exists."""

    code = "start_conflict"
    status = 409
    title = "Another start exists"


class ForeignStartError(SpawnpennyError):
    """Refuse to replace a spawn that another caller started; ``facts`` have by, client, start and phase."""

    code = "foreign_start"
    status = 409
    title = "Another caller started it"


class SpawnNotRunningError(SpawnpennyError):
    """Refuse a request that needs a running or starting spawn."""

    code = "not_running"
    status = 409
    title = "It does not run"


class KindNotLoadedError(InvalidRequestError):
    """Refuse a request for a kind of spawns that no loaded plugin declares."""

    code = "kind_not_loaded"
    title = "No plugin here provides this"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"No loaded plugin provides spawns of the kind {kind}. An administrator can load one by the settings."
        )


class NotScalableError(InvalidRequestError):
    """Refuse to scale a spawn of a kind without workers."""

    code = "not_scalable"
    title = "It has no workers"


class TooManySpawnsError(SpawnpennyError):
    code = "too_many_spawns"
    status = 429
    title = "Too many at once"


class PodStuckError(SpawnError):
    """A deleted pod is not gone yet, and delays the next one."""

    code = "pod_stuck"
    title = "What was there before does not go"


class PurgeConflictError(SpawnpennyError):
    """Refuse a start while the storage of the lab is being deleted."""

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
