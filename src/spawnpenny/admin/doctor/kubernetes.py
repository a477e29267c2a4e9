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
        message = f"The API server has the version {deployment.version or '(unknown)'}; spawnpenny needs 1.20 or later."
        return [failure(message, "Update Kubernetes.")]
    return [ok(f"The API server answers. Its version is {deployment.version}.")]


async def check_clock(deployment: Deployment) -> list[Finding]:
    """Compare our clock with the API server's: broker requests expire by the time that the API server gives them."""
    behind = deployment.behind
    if behind is None:
        return [
            unknown(
                "The API server's time is unknown: its answers have no date.",
                "Compare its clock with this one by hand.",
            )
        ]
    message = f"The clock here is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead of'} the API server's"
    if abs(behind) > _FAIL:
        return [failure(f"{message}: broker requests expire too early or too late.", "Synchronize both clocks (NTP).")]
    if abs(behind) > _WARN:
        return [warning(f"{message}.", "Synchronize both clocks (NTP).")]
    return [ok("The clock here and the API server's agree.")]
