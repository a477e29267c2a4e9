"""Errors by which jobs end that their own program did not cause."""

from __future__ import annotations

from spawnpenny.api import SpawnError


class JobDeadlineError(SpawnError):
    """The job ran as long as it may."""

    code = "job_deadline"
    title = "The job ran as long as it may"


class JobLostError(SpawnError):
    """The pod of the job was deleted, and nobody saw why."""

    code = "job_lost"
    title = "The job's pod was deleted"
