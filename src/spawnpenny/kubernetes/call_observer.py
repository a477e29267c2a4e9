"""The observer of calls to the cluster: it is notified when each one ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from spawnpenny.kubernetes.calls import Call


class Meter(Protocol):
    """Counts calls. It must return at once, and not raise."""

    def called(self, call: Call, *, outcome: str, seconds: float, retries: int) -> None:
        """Take note of a call: ``outcome`` is ``ok``, or the code of the error; ``seconds`` are of all its tries."""
        ...


class NoMeter:
    """Counts nothing."""

    def called(self, call: Call, *, outcome: str, seconds: float, retries: int) -> None:
        """Take no note."""
