"""Run a job until it has succeeded, has failed as often as it may, or has reached its deadline.

Each try is a pod. The number of the try is in the record of the spawn before its pod is created, and the pod's uid
after that. So a service that starts again knows a pod that is gone from one that was not created yet.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, NoReturn

from spawnpenny.api import (
    NOTEBOOK,
    Manifest,
    Severity,
    Spawn,
    SpawnError,
    pod_ending,
    pod_is_lost,
)
from spawnpenny_batch.errors import JobDeadlineError, JobLostError
from spawnpenny_batch.job import Job
from spawnpenny_batch.pod import job_pod, pod_name
from spawnpenny_batch.progress import Progress
from spawnpenny_batch.settings import BatchSettings
from spawnpenny_batch.variables import variable_names

PROGRAM_FAILED: Final = frozenset({"pod_crashed", "out_of_memory"})
"""Codes of ends that the program itself caused."""
CLUSTER_ENDED: Final = frozenset(
    {"pod_gone", "pod_evicted", "pod_preempted", "node_lost", "node_shutdown", "pod_rejected", "pod_ended", "job_lost"}
)
"""Codes of ends that the cluster caused: the program is not to blame."""
_SUCCEEDED: Final = "program_ended"
_EXPIRED: Final = "pod_expired"
_LONGEST_PAUSE: Final = 300.0
_LEEWAY: Final = 60.0
"""Seconds after the deadline in which the cluster may end the pod itself, and say so."""
_HOUR: Final = 3600.0
_LOG_BYTES: Final = 1400
"""How much of the end of the output the record has room for, as JSON."""


class Tries:
    """The tries of one job."""

    def __init__(self, spawn: Spawn, job: Job, settings: BatchSettings) -> None:
        self._spawn = spawn
        self._job = job
        self._settings = settings

    async def begin(self) -> None:
        """Create the pod of the present try, and wait until it has started.

        Raises:
            SpawnError: It cannot start. The end of a program that has started is left to ``follow``.

        """
        pod = await self._present(self._progress)
        if pod is None:
            return  # the service was killed meanwhile, and then the pod was deleted: `follow` decides
        try:
            await self._spawn.cluster.wait(pod, until="started")
        except SpawnError as error:
            if not self._is_end_of_try(error):
                raise

    async def follow(self) -> NoReturn:
        """Follow the present try to its end, and begin the next one, until the job is over.

        Raises:
            SpawnError: The reason why the job is over, also of one that has succeeded.

        """
        while True:
            progress = self._progress
            error = await self._end(progress)
            await self._keep_log(error)
            self._refuse_another(progress, error)
            await self._pause(progress, error)
            following = self._progress.again(lost=error.code in CLUSTER_ENDED)
            await self._spawn.keep(**following.to_state())
            if (pod := self._cached(progress)) is not None:
                await self._spawn.cluster.remove(pod, wait=True)
            self._spawn.hold_back(None)

    @property
    def _progress(self) -> Progress:
        return Progress.of(self._spawn.state)

    @property
    def _ends(self) -> float:
        """The time when the job has to be over, in seconds since the epoch."""
        return self._progress.began + self._job.deadline

    def _is_end_of_try(self, error: SpawnError) -> bool:
        if error.code in PROGRAM_FAILED | {_SUCCEEDED, _EXPIRED}:
            return True
        return error.code in CLUSTER_ENDED and self._job.retries > 0

    async def _present(self, progress: Progress) -> Manifest | None:
        """Return the pod of the present try, and create it at first; None if it was created and is gone."""
        return await self._existing(progress) if progress.pod else await self._create(progress)

    async def _create(self, progress: Progress) -> Manifest:
        seconds = self._ends - time.time()
        if seconds < 1:
            raise self._too_late()
        desired = job_pod(
            self._spawn,
            self._settings,
            attempt=progress.attempt,
            seconds=int(seconds),
            variables=variable_names(self._spawn),
        )
        pod = await self._spawn.cluster.ensure(self._spawn.patched(desired))
        await self._spawn.keep(**replace(progress, pod=pod["metadata"]["uid"]).to_state())
        return pod

    async def _end(self, progress: Progress) -> SpawnError:
        """Return how the present try has ended, once it has."""
        try:
            async with asyncio.timeout(max(0.0, self._ends + _LEEWAY - time.time())):
                if (found := await self._present(progress)) is None:
                    return JobLostError(
                        "Its pod was deleted.", advice="Start it again, with retries if it may run twice."
                    )
                pod = await self._spawn.cluster.wait(found, until="started")
                return await self._end_of(self._progress, pod)
        except TimeoutError:
            return self._too_late()
        except SpawnError as error:
            return error

    async def _end_of(self, progress: Progress, pod: Manifest) -> SpawnError:
        while not pod_is_lost(pod):
            await self._spawn.changed(_HOUR)
            found = self._cached(progress) or await self._existing(progress)
            if found is None:
                gone = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": ""}}
                return pod_ending(gone, quote=self._spawn.scrub)
            pod = found
        error = pod_ending(pod, quote=self._spawn.scrub)
        if error.code == _EXPIRED:
            await self._program_ends(progress)
        return error

    async def _program_ends(self, progress: Progress) -> None:
        """Let a program end within its grace period: the pod has reached its deadline before that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace + _LEEWAY):
                while (pod := self._cached(progress)) is not None and not _end_of_program(pod):
                    await self._spawn.changed(_HOUR)

    async def _existing(self, progress: Progress) -> Manifest | None:
        """Return the pod of the present try, or None if the cluster itself says that it is gone."""
        if (pod := self._cached(progress)) is not None:
            return pod
        pod = await self._spawn.cluster.read("Pod", pod_name(self._spawn, progress.attempt))
        return pod if pod is not None and pod["metadata"]["uid"] == progress.pod else None

    def _cached(self, progress: Progress) -> Manifest | None:
        pods = self._spawn.cluster.pods()
        return next((pod for pod in pods if pod["metadata"]["uid"] == progress.pod), None)

    async def _keep_log(self, error: SpawnError) -> None:
        """Keep the end of the output of a try. It is in the status of its pod, which is deleted soon."""
        progress = self._progress
        pod = self._cached(progress)
        log = _fitting(self._spawn.scrub(str(_end_of_program(pod).get("message") or ""))) if pod is not None else ""
        if log and log != progress.log:
            await self._spawn.keep(**replace(progress, log=log).to_state())

    def _refuse_another(self, progress: Progress, error: SpawnError) -> None:
        """Raise the error with which the job is over, unless it may be tried again."""
        if error.code == _EXPIRED:
            raise self._too_late()
        by_cluster = error.code in CLUSTER_ENDED
        may_again = (
            progress.lost < self._settings.replacements if by_cluster else progress.failures <= self._job.retries
        )
        if not (by_cluster or error.code in PROGRAM_FAILED) or not self._job.retries or not may_again:
            raise error

    async def _pause(self, progress: Progress, error: SpawnError) -> None:
        seconds = min(self._settings.backoff * 2 ** (progress.attempt - 1), _LONGEST_PAUSE)
        pod = self._cached(progress)
        until = (_finished(pod) if pod is not None else time.time()) + seconds
        if until >= self._ends:
            raise error
        again = "replaced" if error.code in CLUSTER_ENDED else "tried again"
        message = f"Try {progress.attempt} failed, and it is {again} in {seconds:.0f} seconds. {error.message}"
        self._spawn.notify(message, Severity.WARNING, code=error.code)
        self._spawn.hold_back(error, until=until)
        await asyncio.sleep(max(0.0, until - time.time()))

    def _too_late(self) -> JobDeadlineError:
        message = f"It was not done within its {self._job.deadline} seconds."
        return JobDeadlineError(message, advice="Start it with a longer deadline, or with less to do.")


def _fitting(log: str) -> str:
    """Return the end of an output that the record has room for."""
    while (size := len(json.dumps(log, ensure_ascii=False).encode("utf-8", "replace"))) > _LOG_BYTES:
        log = log[max(1, (size - _LOG_BYTES) // 6) :]  # no character has more bytes in JSON
    return log


def _end_of_program(pod: Manifest) -> Manifest:
    """Return how the program of a pod has ended; empty if it has not."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    ends = (status.get("state", {}).get("terminated") for status in statuses if status["name"] == NOTEBOOK)
    return next(ends, None) or {}


def _finished(pod: Manifest) -> float:
    """Return when the program of a pod has ended, in seconds since the epoch; now if that is not known."""
    finished = _end_of_program(pod).get("finishedAt")
    return datetime.fromisoformat(finished).timestamp() if finished else time.time()
