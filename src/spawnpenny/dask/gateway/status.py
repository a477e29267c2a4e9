"""The states of a cluster in dask-gateway's words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.spawns import Phase

if TYPE_CHECKING:
    from spawnpenny.spawns.spawn_record import SpawnRecord


class Status(StrEnum):
    """A cluster's status, as the protocol writes it."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"


ACTIVE: Final = frozenset({Status.PENDING, Status.RUNNING})
"""What is listed where nothing is asked for."""
_OF: Final[Mapping[Phase, Status]] = {
    Phase.REQUESTED: Status.PENDING,
    Phase.PENDING: Status.PENDING,
    Phase.RUNNING: Status.RUNNING,
    Phase.STOPPING: Status.STOPPING,
    Phase.UNDOING: Status.FAILED,
    Phase.FAILED: Status.FAILED,
    Phase.EXITED: Status.FAILED,
}
_MEANT: Final = frozenset({"cluster_idle", "cluster_alone", "cluster_lifetime", "cluster_lab_gone"})
"""Reasons by which a cluster ends as it was meant to."""


def status_of(record: SpawnRecord) -> Status:
    if record.phase is Phase.EXITED and record.reason is not None and record.reason.code in _MEANT:
        return Status.STOPPED
    return _OF[record.phase]
