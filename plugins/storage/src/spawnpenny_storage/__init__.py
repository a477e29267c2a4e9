"""A volume claim for each user, or each lab, mounted into the lab."""

from __future__ import annotations

from spawnpenny.api import Settings, Step, hookimpl


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    return []
