"""Release the namespaces of users who have had nothing for a long time, and delete records without content."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from spawnpenny.aio.pacing import paced
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import BrokerRefusedError, BrokerUnavailableError, SpawnpennyError, UnavailableError
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_registry import Accounts
from spawnpenny.spawns.user_state import Account


@dataclass
class Idle:
    """Releases idle namespaces. Where a volume claim lives there, it is asked again only after as long a time."""

    service_context: ServiceContext
    accounts: Accounts
    _kept: dict[str, float] = field(default_factory=dict)

    async def let_go(self) -> None:
        """Make one pass."""
        after = self.service_context.settings.housekeeping.idle
        if not after:
            return
        oldest = time.time() - after
        self._kept = {slug: when for slug, when in self._kept.items() if when > oldest}
        async for account in paced(self.accounts):
            done = True
            with self.service_context.faults.isolated("account", account.slug):
                done = await self._look_at(account, oldest)
            if not done:
                return

    async def _look_at(self, account: Account, oldest: float) -> bool:
        """Release one namespace if it is idle; return False if none can be released now."""
        if not account.is_idle(before=oldest) or account.slug in self._kept:
            return True
        try:
            await self._let_go_of(account, oldest)
        except (BrokerRefusedError, BrokerUnavailableError, UnavailableError) as error:
            self._tell("idle namespaces cannot be released now", account, error)
            return False
        except SpawnpennyError as error:
            self._kept[account.slug] = time.time()
            self._tell("an idle namespace is kept", account, error)
        return True

    async def _let_go_of(self, account: Account, oldest: float) -> None:
        """Release under the user's lock: a start that comes now waits, and then gets a namespace of its own."""
        async with account.lock:
            if account.moved or not account.is_idle(before=oldest):
                return
            names = Names.of(account.username, Kind.USER, "", prefix=self.service_context.settings.namespaces.prefix)
            there, record = self.service_context.namespaces.get(None, names.namespace), account.record
            if there is not None:
                await self._release(account, there["metadata"]["uid"])
            if not (record.commissioned or record.vouched or record.spawns):
                await self._forget(account)
            elif record.namespace or record.applied:
                record.namespace = ""
                record.applied.clear()
                await self.service_context.store.save(record)
            else:
                return
        self._tell("idle, and let go of", account, None)

    async def _forget(self, account: Account) -> None:
        """Forget a user, and wait until the cache has that, too: until then the user still seems to have a record."""
        record = account.record
        await self.service_context.store.delete(record)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.service_context.settings.deadlines.stop):
                await self.service_context.ownership.forgotten(account.slug, record.version)
        self.accounts.forget(account)

    async def _release(self, account: Account, uid: str) -> None:
        try:
            async with asyncio.timeout(self.service_context.settings.deadlines.stop):
                await self.service_context.broker.release_namespace(account.username, uid)
        except TimeoutError:
            raise BrokerUnavailableError("The broker did not release a namespace in time.") from None

    @staticmethod
    def _tell(what: str, account: Account, error: SpawnpennyError | None) -> None:
        log = structlog.get_logger("spawnpenny.maintenance")
        log.info(what, user=account.username, why=error.message if error else None)
