"""Progress of a job over its tries, as the record keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

STATE: Final = "batch"
"""The key of the progress in the state of a spawn."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job. It is written before the pod of a try is created, so that no try is forgotten.

    Attributes:
        attempt: The number of the present try, from 1.
        lost: How many tries before it the cluster ended, not the program.
        began: When the first try began, in seconds since the epoch; 0 before that.
        output: The folder with the output, relative to the home.
        pod: The uid of the pod of this try; empty before it exists.
        log: The end of the output of the last try that ended.

    """

    attempt: int = 1
    lost: int = 0
    began: float = 0.0
    output: str = ""
    pod: str = ""
    log: str = ""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Progress:
        """Return the progress in the state of a spawn."""
        return cls(**state.get(STATE, {}))

    @property
    def failures(self) -> int:
        """The number of failures of the program itself, if it fails in this try."""
        return self.attempt - self.lost

    def again(self, *, lost: bool) -> Progress:
        """Return the progress with one more try; ``lost``: the cluster ended the present one."""
        return replace(self, attempt=self.attempt + 1, lost=self.lost + lost, pod="")

    def to_state(self) -> dict[str, Any]:
        """Return what ``spawn.keep`` takes."""
        return {STATE: asdict(self)}
