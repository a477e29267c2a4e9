"""Jobs: a notebook or a command of a user, run to its end with the image, the volumes and the quota of labs."""

from __future__ import annotations

from spawnpenny.api import Kind, Settings, Step, hookimpl
from spawnpenny_batch.details import job_details
from spawnpenny_batch.job import SAMPLE
from spawnpenny_batch.settings import BatchSettingsSchema
from spawnpenny_batch.steps import FilesStep, PodStep


@hookimpl
def spawnpenny_kinds() -> list[Kind]:
    return [Kind("batch", "jobs", "job", completes=True, follows_pods=True, details=job_details, sample=SAMPLE)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    ours = settings.load("batch", BatchSettingsSchema())
    return [FilesStep(ours), PodStep(ours)]
