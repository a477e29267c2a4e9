"""A volume claim for each user, or each lab, mounted into the lab, and into what belongs to the lab."""

from __future__ import annotations

from spawnpenny.api import NOTEBOOK, Manifest, PlannedSpawn, Settings, Step, hookimpl
from spawnpenny_storage.objects import mount
from spawnpenny_storage.settings import StorageSettings, StorageSettingsSchema
from spawnpenny_storage.step import KINDS, StorageStep


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    return [StorageStep(_section(settings))]


@hookimpl
def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    has_notebook = any(container["name"] == NOTEBOOK for container in pod["spec"]["containers"])
    return mount(spawn.as_lab(), _section(settings)) if spawn.kind in KINDS and has_notebook else None


def _section(settings: Settings) -> StorageSettings:
    return settings.load("storage", StorageSettingsSchema())
