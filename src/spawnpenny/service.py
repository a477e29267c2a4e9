"""The service, put together: what it watches, whom it owns, what runs in it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from spawnpenny.cluster.informer import Informer
from spawnpenny.cluster.kinds import resource_of
from spawnpenny.cluster.port import Cluster
from spawnpenny.domain import labels
from spawnpenny.errors import SpawnpennyError
from spawnpenny.pipeline.account import Account
from spawnpenny.pipeline.accounts import Accounts
from spawnpenny.pipeline.hardening import check_openings
from spawnpenny.pipeline.keeper import RecordKeeper
from spawnpenny.pipeline.port import Broker
from spawnpenny.pipeline.recovery import Recovery
from spawnpenny.pipeline.spawns import Spawns
from spawnpenny.pipeline.tasks import Tasks
from spawnpenny.pipeline.vigil import Vigil
from spawnpenny.pipeline.world import World
from spawnpenny.plugins import Plugins
from spawnpenny.settings import Settings

_LONGEST_PAUSE: Final = 10.0
_SWEEP: Final = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: ``spawns`` to start and stop, ``plugins`` to tell of.

    ``spawns.ready`` says whether it knows the cluster.
    """

    settings: Settings
    plugins: Plugins
    spawns: Spawns
    world: World
    _taken_over: asyncio.Event

    async def until_ready(self) -> None:
        """Return once everything that was found in the cluster is taken over."""
        await self._taken_over.wait()


@asynccontextmanager
async def run_service(settings: Settings, plugins: Plugins, cluster: Cluster, broker: Broker) -> AsyncIterator[Service]:
    """Run the service until the context ends.

    It answers ``not_ready`` until it has taken over what it finds in the cluster. At the end all that is
    under way stays as it is: the service that starts next goes on with it.
    """
    check_openings(settings.pods.allow)
    mine = labels.ours(settings.installation)
    world = World(
        settings=settings,
        cluster=cluster,
        pods=Informer(cluster, resource_of("Pod"), labels=mine),
        namespaces=Informer(cluster, resource_of("Namespace"), labels=mine),
        broker=broker,
        keeper=RecordKeeper(cluster, settings.namespaces.state, settings.installation, secrets.token_hex(8)),
        plugins=plugins,
    )
    tasks, accounts = Tasks(), Accounts()
    spawns = Spawns(world, accounts, tasks)
    tasks.run(world.pods.run())
    tasks.run(world.namespaces.run())
    taken_over = asyncio.Event()
    tasks.run(_take_over(world, accounts, tasks, spawns, taken_over))
    try:
        yield Service(settings, plugins, spawns, world, taken_over)
    finally:
        spawns.ready = False
        await tasks.close()


async def _take_over(world: World, accounts: Accounts, tasks: Tasks, spawns: Spawns, taken_over: asyncio.Event) -> None:
    log = structlog.get_logger("spawnpenny.service")
    await world.pods.synced.wait()
    await world.namespaces.synced.wait()
    tasks.run(Vigil(world, accounts, tasks).run())
    recovery, pause = Recovery(world, accounts, tasks), 0.5
    while True:
        try:
            await recovery.run()
            break
        except SpawnpennyError as error:
            log.warning("the records cannot be taken over yet", error=error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    spawns.ready = True
    taken_over.set()
    log.info("ready", users=sum(1 for _ in accounts))
    await _forget_history(world, accounts)


async def _forget_history(world: World, accounts: Accounts) -> None:
    """Drop what has been over for longer than ``deadlines.history``."""
    kept = world.settings.deadlines.history
    while True:
        await asyncio.sleep(min(_SWEEP, kept))
        oldest = time.time() - kept
        for account in accounts:
            async with account.lock:
                old = [run for run in account.runs.values() if run.is_history(before=oldest)]
                for run in old:
                    account.forget(run)
                    run.vanish()
                if old:
                    await _write_once(world, account)


async def _write_once(world: World, account: Account) -> None:
    """Write a record without waiting for a cluster that does not answer: one user may not hold up all others."""
    try:
        await world.keeper.save(account.record)
    except SpawnpennyError as error:
        log = structlog.get_logger("spawnpenny.service")
        log.warning("a record cannot be written", user=account.username, error=error.message)
