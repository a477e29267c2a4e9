"""Errors of several replicas that share the users."""

from __future__ import annotations

from spawnpenny.errors import NotReadyError
from spawnpenny.kubernetes.errors import UnavailableError


class ElsewhereError(NotReadyError):
    """Another replica looks after this user; ``address`` is where that one is reached, where it is known."""

    code = "elsewhere"
    title = "Another replica looks after this user"

    def __init__(self, address: str | None) -> None:
        super().__init__("Another replica looks after this user; try again.", retry_after=1)
        self.address = address


class ReplicaFencedError(UnavailableError):
    """A replica that may have been taken for dead writes nothing until it is sure that it was not."""

    code = "replica_fenced"
    title = "This replica has to stand back"
