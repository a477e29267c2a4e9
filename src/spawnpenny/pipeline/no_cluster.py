"""A stand-in for the cluster in a spawn that has none yet."""

from __future__ import annotations

from typing import Any

from spawnpenny.pipeline.step_cluster import StepCluster


class NoCluster(StepCluster):
    """The place of the cluster in a spawn that is only looked at, as in ``Step.check``: every use of it says so."""

    def __init__(self) -> None:
        """Stand for no cluster."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise LookupError(
            f"spawn.cluster.{name}: a step has no cluster before its spawn is accepted. "
            "check, asks, makes and keeps only look at the spawn; apply has the cluster."
        )
