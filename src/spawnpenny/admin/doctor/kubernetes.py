"""Check the version of the API server, and compare its clock with ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.finding import Finding, failure, ok, unknown, warning

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment

OLDEST: Final = (1, 20)
_WARN: Final = 5.0
_FAIL: Final = 30.0


async def check_version(deployment: Deployment) -> list[Finding]:
    if deployment.release < OLDEST:
        message = (
            f"The API server says that it is {deployment.version or 'of no version'}; spawnpenny needs 1.20 or later."
        )
        return [failure(message, "Use a newer Kubernetes.")]
    return [ok(f"The API server answers, and is {deployment.version}.")]


async def check_clock(deployment: Deployment) -> list[Finding]:
    """Compare the clocks: claims expire by the time that the API server gives them."""
    behind = deployment.behind
    if behind is None:
        return [unknown("The API server does not say what time it is.", "Compare its clock with this one by hand.")]
    message = f"The clock here is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead of'} the API server's"
    if abs(behind) > _FAIL:
        return [
            failure(f"{message}, so that claims expire too early or too late.", "Have both follow the same time (NTP).")
        ]
    if abs(behind) > _WARN:
        return [warning(f"{message}.", "Have both follow the same time (NTP).")]
    return [ok("The clock here and the API server's agree.")]
