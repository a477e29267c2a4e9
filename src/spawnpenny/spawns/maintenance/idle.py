"""Release the namespaces of users who have had nothing for a long time, and delete records without content."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.domain.broker_errors import BrokerRefusedError, BrokerUnavailableError
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import UserRegistry
from spawnpenny.spawns.user_state import UserState


@dataclass
class Idle:
    """Releases idle namespaces. Where a volume claim lives there, it is asked again only after as long a time."""

    service_context: ServiceContext
    user_registry: UserRegistry
    _kept: dict[str, float] = field(default_factory=dict)

    async def let_go(self) -> None:
        """Make one pass."""
        after = self.service_context.settings.housekeeping.idle
        if not after:
            return
        oldest = time.time() - after
        self._kept = {slug: when for slug, when in self._kept.items() if when > oldest}
        async for user_state in paced(self.user_registry):
            done = True
            with self.service_context.faults.isolated("account", user_state.slug):
                done = await self._look_at(user_state, oldest)
            if not done:
                return

    async def _look_at(self, user_state: UserState, oldest: float) -> bool:
        """Release one namespace if it is idle; return False if none can be released now."""
        if not user_state.is_idle(before=oldest) or user_state.slug in self._kept:
            return True
        try:
            await self._let_go_of(user_state, oldest)
        except (BrokerRefusedError, BrokerUnavailableError, UnavailableError) as error:
            self._notify("idle namespaces cannot be released now", user_state, error)
            return False
        except SpawnpennyError as error:
            self._kept[user_state.slug] = time.time()
            self._notify("an idle namespace is kept", user_state, error)
        return True

    async def _let_go_of(self, user_state: UserState, oldest: float) -> None:
        """Release under the user's lock: a start that comes now waits, and then gets a namespace of its own."""
        async with user_state.lock:
            if user_state.moved or not user_state.is_idle(before=oldest):
                return
            names = Names.of(user_state.username, Kind.USER, "", prefix=self.service_context.settings.namespaces.prefix)
            existing, record = self.service_context.namespaces.get(None, names.namespace), user_state.record
            if existing is not None:
                await self._release(user_state, existing["metadata"]["uid"])
            if not (record.commissioned or record.uid_verified or record.spawns):
                await self._forget(user_state)
            elif record.namespace or record.applied:
                record.namespace = ""
                record.applied.clear()
                await self.service_context.store.save(record)
            else:
                return
        self._notify("idle, and let go of", user_state, None)

    async def _forget(self, user_state: UserState) -> None:
        """Forget a user, and wait until the cache has that, too: until then the user still seems to have a record."""
        record = user_state.record
        await self.service_context.store.delete(record)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.service_context.settings.deadlines.stop):
                await self.service_context.ownership.forgotten(user_state.slug, record.version)
        self.user_registry.forget(user_state)

    async def _release(self, user_state: UserState, uid: str) -> None:
        try:
            async with asyncio.timeout(self.service_context.settings.deadlines.stop):
                await self.service_context.broker.release_namespace(user_state.username, uid)
        except TimeoutError:
            raise BrokerUnavailableError("The broker did not release a namespace in time.") from None

    @staticmethod
    def _notify(what: str, user_state: UserState, error: SpawnpennyError | None) -> None:
        log = structlog.get_logger("spawnpenny.maintenance")
        log.info(what, user=user_state.username, why=error.message if error else None)
