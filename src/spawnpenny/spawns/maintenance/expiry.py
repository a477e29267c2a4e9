"""Expire what is over: history, idle namespaces, and the Leases of dead replicas."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.domain.broker_errors import BrokerRefusedError, BrokerUnavailableError
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import USER
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ConflictError, UnavailableError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


async def expire_history(service_context: ServiceContext, user_registry: UserRegistry) -> None:
    """Drop spawns that have been over for longer than ``deadlines.history`` from memory and from the records."""
    oldest = time.time() - service_context.settings.deadlines.history
    async for user_state in paced(user_registry):
        with service_context.faults.isolated("user", user_state.slug):
            await _expire(service_context, user_state, oldest)


async def _expire(service_context: ServiceContext, user_state: UserState, oldest: float) -> None:
    async with user_state.lock:
        old = [run for run in user_state.history() if (run.record.ended_at or 0.0) < oldest]
        for run in old:
            user_state.forget(run)
            run.vanish()
        if old and not user_state.moved:
            await _write_once(service_context, user_state)


async def _write_once(service_context: ServiceContext, user_state: UserState) -> None:
    """Try once to write a record: one user must not hold up all others while the cluster does not answer."""
    try:
        await service_context.store.save(user_state.record)
    except SpawnpennyError as error:
        log = structlog.get_logger("spawnpenny.maintenance")
        log.warning("a record cannot be written", user=user_state.username, error=error.message)


async def delete_dead_leases(service_context: ServiceContext) -> None:
    """Delete the Leases of replicas that are long dead: every killed pod of a Deployment leaves one.

    A replica that was only suspended makes its Lease again.
    """
    log = structlog.get_logger("spawnpenny.maintenance")
    for lease in service_context.ownership.peers.long_dead():
        try:
            await service_context.cluster.delete(Ref.of(lease), uid=lease["metadata"]["uid"])
        except ConflictError:
            continue  # a new Lease has the name now
        except SpawnpennyError as error:
            log.warning("the Lease of a dead replica cannot be deleted", error=error.message)
        else:
            log.info("the Lease of a dead replica is deleted", lease=lease["metadata"]["name"])


@dataclass
class IdleNamespaces:
    """Releases the namespaces of idle users, and deletes records without content.

    The broker keeps a namespace with a volume claim. It gets a further request only after as long a time.
    """

    service_context: ServiceContext
    user_registry: UserRegistry
    _kept: dict[str, float] = field(default_factory=dict)

    async def release(self) -> None:
        """Make one pass over all users."""
        after = self.service_context.settings.housekeeping.idle
        if not after:
            return
        oldest = time.time() - after
        self._kept = {slug: when for slug, when in self._kept.items() if when > oldest}
        async for user_state in paced(self.user_registry):
            done = True
            with self.service_context.faults.isolated("user", user_state.slug):
                done = await self._try_release(user_state, oldest)
            if not done:
                return

    async def _try_release(self, user_state: UserState, oldest: float) -> bool:
        """Release one namespace if it is idle; return False if none can be released now."""
        if not user_state.is_idle(before=oldest) or user_state.slug in self._kept:
            return True
        try:
            await self._release_user(user_state, oldest)
        except (BrokerRefusedError, BrokerUnavailableError, UnavailableError) as error:
            self._log("idle namespaces cannot be released now", user_state, error)
            return False
        except SpawnpennyError as error:
            self._kept[user_state.slug] = time.time()
            self._log("an idle namespace is kept", user_state, error)
        return True

    async def _release_user(self, user_state: UserState, oldest: float) -> None:
        """Release under the user's lock: a start that comes now waits, and then gets a new namespace."""
        async with user_state.lock:
            if user_state.moved or not user_state.is_idle(before=oldest):
                return
            names = Names.of(user_state.username, USER, "", prefix=self.service_context.settings.namespaces.prefix)
            existing, record = self.service_context.namespaces.get(None, names.namespace), user_state.record
            if existing is not None:
                await self._release_namespace(user_state, existing["metadata"]["uid"])
            if not (record.commissioned or record.uid_verified or record.spawns):
                await self._delete_record(user_state)
            elif record.namespace or record.applied:
                record.namespace = ""
                record.applied.clear()
                await self.service_context.store.save(record)
            else:
                return
        self._log("an idle namespace is released", user_state, None)

    async def _delete_record(self, user_state: UserState) -> None:
        """Forget a user, and wait until the cache has that: until then the user still seems to have a record."""
        record = user_state.record
        await self.service_context.store.delete(record)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.service_context.settings.deadlines.stop):
                await self.service_context.ownership.wait_for_other_version(user_state.slug, record.version)
        self.user_registry.forget(user_state)

    async def _release_namespace(self, user_state: UserState, uid: str) -> None:
        try:
            async with asyncio.timeout(self.service_context.settings.deadlines.stop):
                await self.service_context.broker.release_namespace(user_state.username, uid)
        except TimeoutError:
            raise BrokerUnavailableError("The broker did not release a namespace in time.") from None

    @staticmethod
    def _log(message: str, user_state: UserState, error: SpawnpennyError | None) -> None:
        log = structlog.get_logger("spawnpenny.maintenance")
        log.info(message, user=user_state.username, why=error.message if error else None)
