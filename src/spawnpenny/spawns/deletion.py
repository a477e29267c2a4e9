"""Deletion for good: purge a lab's storage, and retire a user.

A purge is ordered as a stop is, in the record of the lab. If the lab is gone already, a record stands for it while its
storage is deleted, so that another replica can finish the work of one that dies.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.domain.broker_errors import BrokerRefusedError, BrokerUnavailableError
from spawnpenny.domain.events import EventLog, Severity
from spawnpenny.domain.kinds import Kinds
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import USER, Desired, Key, Phase, SpawnRequest
from spawnpenny.errors import SpawnpennyError, UserConflictError
from spawnpenny.kubernetes.errors import ClusterError, UnavailableError
from spawnpenny.pipeline.errors import StepFailedError
from spawnpenny.pipeline.spawn import Spawn
from spawnpenny.pipeline.step import Step
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.admission import oldest_history
from spawnpenny.spawns.errors import PurgeConflictError
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.spawn_record import SpawnRecord
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.user_state import UserState

COMMISSIONING: Final = Key(USER, "")


async def purge(context: SpawnContext) -> None:
    """Run the steps' ``purge``; report to the user what stays and why, and keep that on the run.

    If the cluster does not answer, it is tried again after longer and longer pauses.
    """
    reasons = [await _purge_step(context, step, spawn) for step, spawn in StepView(context).purging()]
    context.run.kept = kept = " ".join(filter(None, reasons))
    log = structlog.get_logger("spawnpenny.spawn")
    if kept:
        Reporter(context).notify(kept, Severity.WARNING)
        log.warning("storage that should be purged is kept", why=kept)
    else:
        log.info("storage purged")


async def retire(context: SpawnContext) -> SpawnpennyError | None:
    """Delete for good what the user's spawns shared; return the error that keeps the user, or None.

    If the cluster or the broker does not do it now, it is tried again after longer and longer pauses.
    """
    log = structlog.get_logger("spawnpenny.spawn").bind(user=context.user_state.username)
    waits = pauses()
    while True:
        try:
            for step, spawn in StepView(context).retiring():
                await step.retire(spawn)
        except (ClusterError, BrokerUnavailableError, BrokerRefusedError) as error:
            Reporter(context).notify(
                f"Retiring takes long ({error.title.lower()}); it is tried again.", Severity.WARNING
            )
            log.warning("a user cannot be retired yet", error=error.message)
            await asyncio.sleep(next(waits))
        except SpawnpennyError as error:
            return error
        except Exception:
            log.exception("retiring failed unexpectedly")
            return unexpected(context)
        else:
            context.user_state.record.retire()
            return None


def unexpected(context: SpawnContext) -> StepFailedError:
    """Return the error that a user sees of a fault in the code; the log has the cause."""
    return StepFailedError(
        f"Something went wrong. An administrator finds the cause in the log, under {context.run.record.id}."
    )


def refuse_while_purging(run: ActiveSpawn | None, key: Key, kinds: Kinds) -> None:
    """Refuse a start while its storage is being deleted.

    Raises:
        PurgeConflictError: The storage is being deleted.

    """
    if run is not None and run.record.purge and run.record.desired is Desired.GONE:
        raise PurgeConflictError(f"The storage of the {kinds.describe(key)} is being deleted.")


def refuse_while_retiring(user_state: UserState) -> None:
    """Refuse a spawn of a user who is being retired.

    Raises:
        UserConflictError: The user is being retired.

    """
    for key, run in user_state.runs.items():
        if key.kind == USER and run.record.desired is Desired.GONE:
            raise UserConflictError(f"{user_state.username} is being retired; try again when that is done.")


def refuse_to_retire(user_state: UserState, *, purge: bool) -> None:
    """Refuse to retire a user with active spawns, or one who is already being retired without ``purge``.

    Raises:
        UserConflictError: The user cannot be retired now.

    """
    for key, run in user_state.runs.items():
        retiring = key.kind == USER and run.record.desired is Desired.GONE
        if retiring and purge and not run.record.request.options.get("purge"):
            raise UserConflictError(
                f"{user_state.username} is being retired without the storage; ask for that again when it is done."
            )
    active = sorted(str(key) for key, run in user_state.runs.items() if key.kind != USER and run.record.active)
    if active:
        raise UserConflictError(f"{user_state.username} still has {', '.join(active)}; stop them before retiring.")


def placeholder(user_state: UserState, key: Key = COMMISSIONING, by: str = "") -> ActiveSpawn:
    """Add and return a spawn that represents objects without a record: a user to retire, or storage to purge.

    Raises:
        TooManySpawnsError: The record has no room for it.

    """
    oldest = oldest_history(user_state, key)
    if oldest is not None:
        user_state.forget(oldest)
        oldest.vanish()
    user_state.record.generation += 1
    generation, now = user_state.record.generation, time.time()
    record = SpawnRecord(
        key=key,
        id=secrets.token_hex(8),
        generation=generation,
        request=SpawnRequest(secrets.token_hex(8)),
        started_by=by,
        requested_at=now,
        deadline=now,
        phase=Phase.RUNNING,
        reverted=key.kind != USER,
        log=EventLog(generation),
    )
    run = user_state.runs[key] = ActiveSpawn(record)
    user_state.record.spawns[key] = record
    return run


def has_namespace(service_context: ServiceContext, username: str) -> bool:
    """Return whether a user has a namespace, with or without a record."""
    names = Names.of(username, USER, "", prefix=service_context.settings.namespaces.prefix)
    existing = service_context.namespaces.get(None, names.namespace)
    return existing is not None and "deletionTimestamp" not in existing["metadata"]


async def _purge_step(context: SpawnContext, step: Step, spawn: Spawn) -> str:
    waits = pauses()
    while True:
        try:
            return await _try_purge(context, step, spawn)
        except UnavailableError as error:
            Reporter(context).notify(
                "Deleting the storage takes long, as the cluster does not answer; it is tried again."
            )
            log = structlog.get_logger("spawnpenny.spawn")
            log.warning("storage cannot be deleted yet", step=step.name, error=error.message)
            await asyncio.sleep(next(waits))


async def _try_purge(context: SpawnContext, step: Step, spawn: Spawn) -> str:
    """Delete the storage of one step; return why it is kept, or an empty text."""
    seconds = context.service_context.settings.deadlines.stop
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await step.purge(spawn)
    except UnavailableError:
        raise
    except SpawnpennyError as error:
        return "" if context.lost_its_namespace(error) else error.message
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.expired():
            return f"The storage was not gone after {seconds:g} seconds. Asking again goes on with it."
        log = structlog.get_logger("spawnpenny.spawn")
        log.exception("purging failed unexpectedly", step=step.name)
        return f"The step {step.name} is faulty. An administrator finds the cause in the log, under {spawn.id}."
    return ""
