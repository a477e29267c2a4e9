"""Errors of replicas that share the users."""

from __future__ import annotations

from spawnpenny.errors import NotReadyError
from spawnpenny.kubernetes.errors import UnavailableError


class ElsewhereError(NotReadyError):
    """Another replica looks after this user; ``address`` is its address, or None if that is not known."""

    code = "elsewhere"
    title = "Another replica looks after this user"

    def __init__(self, address: str | None) -> None:
        super().__init__("Another replica looks after this user; try again.", retry_after=1)
        self.address = address


class ReplicaFencedError(UnavailableError):
    """Refuse to write: the other replicas may have taken this one for dead."""

    code = "replica_fenced"
    title = "This replica has to stand back"
