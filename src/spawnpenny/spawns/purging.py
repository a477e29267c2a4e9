"""Purge the storage of one lab for good, on request, once the lab is gone.

It is ordered as a stop is, in the record of the lab. Where the lab is gone already, a record stands for it while its
storage goes, so that another replica carries the order out where this one dies.
"""

from __future__ import annotations

import asyncio

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.domain.events import Severity
from spawnpenny.domain.spawns import Desired, Key
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.pipeline.spawn import Spawn
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.errors import PurgeConflictError
from spawnpenny.spawns.views import Context


async def purge(context: Context) -> None:
    """Have the steps delete storage; report to the user what stays and why, and leave it on the run.

    What the cluster does not answer now is tried again, with longer and longer pauses.
    """
    told = [await _purged_at_last(context, step, spawn) for step, spawn in context.purging()]
    context.run.kept = kept = " ".join(filter(None, told))
    log = structlog.get_logger("spawnpenny.spawn")
    if kept:
        context.notify(kept, Severity.WARNING)
        log.warning("storage is kept that was to be purged", why=kept)
    else:
        log.info("storage is purged")


async def _purged_at_last(context: Context, step: Step, spawn: Spawn) -> str:
    waits = pauses()
    while True:
        try:
            return await _purged(context, step, spawn)
        except UnavailableError as error:
            context.notify("Deleting the storage takes long, as the cluster does not answer; it is tried again.")
            log = structlog.get_logger("spawnpenny.spawn")
            log.warning("storage cannot be deleted yet", step=step.name, error=error.message)
            await asyncio.sleep(next(waits))


async def _purged(context: Context, step: Step, spawn: Spawn) -> str:
    """Have one step delete its storage; return why it is kept, or nothing."""
    seconds = context.service_context.settings.deadlines.stop
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await step.purge(spawn)
    except UnavailableError:
        raise
    except SpawnpennyError as error:
        return "" if context.went_with_the_namespace(error) else error.message
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.expired():
            return f"The storage was not gone after {seconds:g} seconds. Asking again goes on with it."
        log = structlog.get_logger("spawnpenny.spawn")
        log.exception("purging failed unexpectedly", step=step.name)
        return f"The step {step.name} is faulty. An administrator finds the cause in the log, under {spawn.id}."
    return ""


def refuse_while_purging(run: ActiveSpawn | None, key: Key) -> None:
    """Refuse a start whose storage is being deleted: what was accepted is carried out.

    Raises:
        PurgeConflictError: It has to wait until that is done.

    """
    if run is not None and run.record.purge and run.record.desired is Desired.GONE:
        raise PurgeConflictError(f"The storage of the {key.kind} {key.name!r} is being deleted.")
