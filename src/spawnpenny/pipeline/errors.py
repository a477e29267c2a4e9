"""Errors of running the steps of a pipeline."""

from __future__ import annotations

from spawnpenny.errors import SpawnError, SpawnpennyError


class UndeclaredCallError(SpawnpennyError):
    """A step made a call to the cluster that its ``permissions`` do not declare."""

    code = "undeclared_call"
    title = "A plugin used a right that it does not declare"

    def __init__(self, step: str, verb: str, plural: str) -> None:
        super().__init__(
            f"The step {step!r} tried to {verb} {plural} without declaring it: "
            f"add allow({verb!r}, on={plural!r}) to its permissions.",
            step=step,
        )


class DeadlineError(SpawnError):
    code = "deadline_exceeded"
    title = "It took too long"


class PatchConflictError(SpawnError):
    code = "pod_patch_conflict"
    title = "Two plugins disagree about the pod"


class HardeningError(SpawnError):
    code = "pod_not_hardened"
    title = "The pod asks for more than the settings open"


class StepFailedError(SpawnError):
    """A step failed with an error that is not meant for users. The log has the cause under the spawn's id."""

    code = "step_failed"
    title = "A step failed"
