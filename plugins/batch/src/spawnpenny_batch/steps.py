"""The steps of a job: its files, and its pod."""

from __future__ import annotations

import math
import posixpath
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from spawnpenny.api import (
    NOTEBOOK,
    Manifest,
    PlannedSpawn,
    Resources,
    SettingsError,
    Severity,
    Spawn,
    Step,
    allow,
    pod_limits,
)
from spawnpenny_batch.job import SAMPLE
from spawnpenny_batch.pod import home_of, job_of, job_pod, job_secret, pod_name
from spawnpenny_batch.progress import Progress
from spawnpenny_batch.settings import BatchSettings
from spawnpenny_batch.tries import Tries
from spawnpenny_batch.variables import check_variables, secret_variables, variable_names


class FilesStep(Step):
    """Keep the job's files, and its caller's variables, where only its pods read them."""

    name = "batch.files"
    kinds = frozenset({"batch"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="secrets"),)

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings

    def check(self, spawn: PlannedSpawn) -> None:
        job_of(spawn, self._settings)
        check_variables(spawn)

    def secrets(self, spawn: PlannedSpawn) -> Mapping[str, str]:
        return secret_variables(spawn)

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        job = job_of(spawn, self._settings)
        return [job_secret(spawn, job, Progress.of(spawn.state).output or job.output)]

    async def apply(self, spawn: Spawn) -> None:
        progress = Progress.of(spawn.state)
        if not progress.began:
            began = time.time()
            output = job_of(spawn, self._settings).output or self._new_folder(spawn, began)
            await spawn.keep(**replace(progress, began=began, output=output).to_state())
        for manifest in self.manifests(spawn):
            await spawn.cluster.ensure(manifest)

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Secret", spawn.names.base)

    def _new_folder(self, spawn: PlannedSpawn, began: float) -> str:
        """Return a folder that no other run of the job has, so that no output is overwritten."""
        when = datetime.fromtimestamp(began, UTC)
        return posixpath.join(self._settings.outputs, spawn.names.lab or "default", f"{when:%Y-%m-%dT%H-%M-%SZ}")


class PodStep(Step):
    """Run the job, and run it again if it fails and may be retried."""

    name = "batch.pod"
    kinds = frozenset({"batch"})
    scope = "spawn"
    needs = frozenset({"namespace", "batch.files"})
    container = NOTEBOOK
    permissions = (allow("create", "get", "delete", on="pods"),)
    deadline = math.inf

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings

    def resources(self, spawn: PlannedSpawn) -> Resources:
        try:
            return pod_limits(self._pod(spawn))
        except Exception:  # noqa: BLE001 - ``check`` refuses it, with its reason
            return Resources()

    def check(self, spawn: PlannedSpawn) -> None:
        self._pod(spawn)

    def verify(self, spawn: PlannedSpawn, limits: Mapping[str, Decimal]) -> None:
        pod = self._pod(replace(spawn, options=SAMPLE))
        (container,) = (one for one in pod["spec"]["containers"] if one["name"] == NOTEBOOK)
        if not container.get("image"):
            raise SettingsError(
                "plugins.batch needs a plugin that says with which image jobs run. Load the plugin lab, too."
            )

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [self._pod(spawn)]

    async def apply(self, spawn: Spawn) -> None:
        job = job_of(spawn, self._settings)
        if self._is_stored(spawn):
            spawn.notify(f"Its output is in the folder {Progress.of(spawn.state).output} of the home folder.")
        else:
            home = home_of(spawn, self._settings)
            spawn.notify(f"No storage is mounted at {home}: the output is lost when it has ended.", Severity.WARNING)
        await Tries(spawn, job, self._settings).begin()

    async def supervise(self, spawn: Spawn) -> None:
        await Tries(spawn, job_of(spawn, self._settings), self._settings).follow()

    async def revert(self, spawn: Spawn) -> None:
        attempt = Progress.of(spawn.state).attempt
        for pod in spawn.cluster.pods():
            await spawn.cluster.remove(pod, wait=True)
        await spawn.cluster.discard("Pod", pod_name(spawn, attempt))  # the cache may not have it yet

    def _pod(self, spawn: PlannedSpawn) -> Manifest:
        job, progress = job_of(spawn, self._settings), Progress.of(spawn.state)
        pod = job_pod(
            spawn,
            self._settings,
            attempt=progress.attempt,
            seconds=job.deadline,
            variables=variable_names(spawn) or sorted(spawn.env),
        )
        return spawn.patched(pod)

    def _is_stored(self, spawn: PlannedSpawn) -> bool:
        """Return whether a volume is mounted where the output is."""
        folder = posixpath.join(home_of(spawn, self._settings), Progress.of(spawn.state).output)
        (container,) = (one for one in self._pod(spawn)["spec"]["containers"] if one["name"] == NOTEBOOK)
        places = (posixpath.normpath(mount["mountPath"]) for mount in container.get("volumeMounts") or ())
        return any(posixpath.commonpath([folder, place]) == place for place in places)
