"""The manifests of a job: the Secret with its files, and the pod of one try. Pure functions."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from spawnpenny.api import NOTEBOOK, Manifest, PlannedSpawn, expand
from spawnpenny_batch.job import Job
from spawnpenny_batch.settings import BatchSettings

FILES: Final = "/etc/spawnpenny-batch"
"""The folder in a pod with the files of the job's Secret."""
LOG: Final = "/dev/spawnpenny-job-log"
"""The file in a pod that gets the end of the job's output. The cluster shows it in the status of the pod."""
PROGRAM: Final = "spawnpenny_job.py"
_PROGRAMS: Final = (PROGRAM, "spawnpenny_notebook.py")
ATTEMPT: Final = "spawnpenny.io/attempt"
_JOB: Final = "job.json"
_VARIABLE: Final = "env."


def home_of(spawn: PlannedSpawn, settings: BatchSettings) -> str:
    """Return the home folder of the user in the pod."""
    return expand(settings.home, spawn.as_lab().fields)


def job_of(spawn: PlannedSpawn, settings: BatchSettings) -> Job:
    """Return the job of a spawn.

    Raises:
        UnknownOptionError, InvalidOptionError: The options of the request are wrong.

    """
    return Job.of(spawn.options, settings, home_of(spawn, settings))


def job_secret(spawn: PlannedSpawn, job: Job, output: str) -> Manifest:
    """Return the Secret with the job's files, and its caller's variables."""
    programs = {name: (files(__package__) / name).read_text(encoding="utf-8") for name in _PROGRAMS}
    variables = {f"{_VARIABLE}{name}": value for name, value in spawn.env.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": spawn.names.base},
        "stringData": {**programs, _JOB: job.to_json(output), **variables},
    }


def pod_name(spawn: PlannedSpawn, attempt: int) -> str:
    """Return the name of the pod of one try."""
    return spawn.names.own(str(attempt))


def job_pod(
    spawn: PlannedSpawn, settings: BatchSettings, *, attempt: int, seconds: int, variables: list[str]
) -> Manifest:
    """Return the pod of one try, without what it shares with labs: the lab plugin adds that.

    ``seconds`` is how long it may run, ``variables`` are the names of the caller's variables.
    """
    container: dict[str, Any] = {
        "name": NOTEBOOK,
        "command": [*settings.python, f"{FILES}/{PROGRAM}", f"{FILES}/{_JOB}"],
        "workingDir": home_of(spawn, settings),
        "env": [*_variables(spawn, variables), {"name": "SPAWNPENNY_JOB_LOG", "value": LOG}],
        "volumeMounts": [{"name": "spawnpenny-batch", "mountPath": FILES, "readOnly": True}],
        "terminationMessagePath": LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",  # shows why an image without Python fails
    }
    items = [{"key": key, "path": key} for key in (*_PROGRAMS, _JOB)]
    secret = {"secretName": spawn.names.base, "defaultMode": 0o444, "items": items}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(spawn, attempt),
            "annotations": {ATTEMPT: str(attempt), "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": settings.grace,
            "containers": [container],
            "volumes": [{"name": "spawnpenny-batch", "secret": secret}],
        },
    }


def _variables(spawn: PlannedSpawn, names: list[str]) -> list[Manifest]:
    secret = spawn.names.base
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": f"{_VARIABLE}{name}"}}} for name in names
    ]
