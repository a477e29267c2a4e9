"""Dask clusters: a scheduler pod, worker pods, and their credentials."""

from __future__ import annotations

from spawnpenny.api import Settings, Step, hookimpl


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    return []
