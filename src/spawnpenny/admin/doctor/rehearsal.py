"""Rehearse every choice that the settings offer, to check that users could start it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from spawnpenny.admin.doctor.finding import Finding, failure, ok, warning
from spawnpenny.admin.rehearsal.rehearse import rehearse

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment


async def check_rehearsal(deployment: Deployment) -> list[Finding]:
    """Rehearse all choices; nothing is made, and the cluster is not used."""
    found = await asyncio.to_thread(rehearse, deployment.settings, deployment.plugins)
    findings = []
    for problem in found.refusals:
        says, do = (
            f"{problem.setting}: {problem.message}",
            problem.advice or "Run `spawnpenny try`: it prints what to paste.",
        )
        findings.append(warning(says, do) if problem.odd_names else failure(says, do))
    usual = [spawn for spawn in found.spawns if not spawn.odd]
    return findings or [ok(f"Everything that users can choose would start ({len(usual)} spawns tried).")]
