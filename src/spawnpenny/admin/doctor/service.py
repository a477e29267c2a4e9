"""Check that the service answers at a given URL, and is ready."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import aiohttp

from spawnpenny.admin.doctor.finding import Finding, failure, ok, warning

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment

_PATIENCE: Final = aiohttp.ClientTimeout(total=10)
_OK: Final = 200


async def check_service(deployment: Deployment) -> list[Finding]:
    if deployment.url is None:
        return []
    base = deployment.url.rstrip("/")
    try:
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
            return await _ask(session, base)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        message = f"The service does not answer at {base} ({type(error).__name__})."
        return [failure(message, "Check the URL, and that it can be reached from here.")]


async def _ask(session: aiohttp.ClientSession, base: str) -> list[Finding]:
    async with session.get(f"{base}/healthz") as answer:
        if answer.status != _OK:
            message = f"{base}/healthz answers {answer.status}: this is not the service."
            return [failure(message, "Check the URL.")]
    async with session.get(f"{base}/readyz") as answer:
        if answer.status != _OK:
            message = f"The service at {base} is not ready: it does not know the state of the cluster yet."
            return [failure(message, "Read the other findings and the service's log: they say why.")]
        skipped = (await answer.json()).get("skipped") or {}
    async with session.get(f"{base}/openapi.json") as answer:
        existing = (await answer.json())["info"]["version"]
    if existing != version("spawnpenny"):
        message = f"The service at {base} has the version {existing}; this doctor has {version('spawnpenny')}."
        return [warning(message, "Run the doctor of the deployed version.")]
    if skipped:
        message = ", ".join(f"{count} of the kind {kind}" for kind, count in sorted(skipped.items()))
        do = "The service's log names them (item_skipped, record_unreadable). Repair or delete them."
        return [warning(f"The service at {base} cannot read some objects, and skips them: {message}.", do)]
    return [ok(f"The service at {base} answers and is ready.")]
