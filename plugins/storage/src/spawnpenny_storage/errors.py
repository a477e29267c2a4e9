"""Errors of storage that a lab cannot have."""

from __future__ import annotations

from spawnpenny.api import SpawnError, SpawnpennyError


class StorageNotOursError(SpawnError):
    """A volume claim of that name belongs to somebody else."""

    code = "storage_not_ours"
    title = "The storage is not this lab's"


class StorageInUseError(SpawnpennyError):
    """Storage that one lab at a time may have is in use."""

    code = "storage_in_use"
    status = 409
    title = "Another lab has the storage"
