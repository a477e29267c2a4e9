"""Revert the objects of one spawn, and of the spawns that it replaces."""

from __future__ import annotations

import asyncio
from typing import Final

from spawnpenny.aio.backoff import pauses
from spawnpenny.domain.events import Severity
from spawnpenny.domain.spawns import Phase
from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.pods.disruption import stuck_pods
from spawnpenny.kubernetes.pods.grace_period import longest_grace
from spawnpenny.spawns.errors import PodStuckError
from spawnpenny.spawns.main_pod import pods_of
from spawnpenny.spawns.persistence import persist
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.spawn_record import Replaced
from spawnpenny.spawns.step_view import StepView

_STUCK: Final = "Its objects are not deleted yet; it is tried again."


class Reverter:
    """Reverts one spawn."""

    def __init__(self, context: SpawnContext) -> None:
        self._context = context
        self._view = StepView(context)
        self._record = context.run.record
        self._reason_written = False

    async def revert_all(self) -> bool:
        """Revert the spawn and those that it replaces; return whether nothing is left."""
        clean = await self.revert_replaced()
        return await self._revert(self._context.run.started) and clean

    async def revert_replaced(self) -> bool:
        """Revert the spawns that this one replaces; return whether nothing of them is left."""
        for replaced in list(self._record.replaces):
            if await self._revert(None, replaced):
                self._record.replaces.remove(replaced)
        self._context.run.replaced_are_gone()
        return not self._record.replaces

    def stuck_before(self) -> SpawnError | None:
        """Return the error that names pods of a replaced spawn that are not deleted, or None."""
        pods = [pod for replaced in self._record.replaces for pod in pods_of(self._context, replaced.id)]
        found = stuck_pods(pods)
        return PodStuckError(" ".join(["The one before is not gone yet.", *found])) if found else None

    async def _revert(self, started: set[str] | None, replaced: Replaced | None = None) -> bool:
        """Revert until all is reverted; return False if a step cannot.

        If the cluster refuses, it is tried again after longer and longer pauses. A step that fails by itself would fail
        again: it is logged and left.
        """
        runner, waits, clean = self._view.runner(replaced), pauses(), True
        while started is None or started:
            try:
                async with asyncio.timeout(self._timeout(replaced)):
                    errors = await runner.revert(started)
            except TimeoutError:
                await self._report_delay(self._stuck(replaced))
            else:
                failed = {n: error for n, error in errors.items() if not self._context.lost_its_namespace(error)}
                started = {name for name, error in failed.items() if isinstance(error, ClusterError | TimeoutError)}
                clean = clean and len(started) == len(failed)
                if not started:
                    break
                await self._report_delay(f"Deleting takes long ({', '.join(failed)}); it is tried again.")
            await asyncio.sleep(next(waits))
        return clean

    def _timeout(self, replaced: Replaced | None) -> float:
        """Return the seconds that one try may take: pods may use their grace period."""
        service_context = self._context.service_context
        pods = service_context.pods.within(self._context.names.namespace)
        grace = longest_grace(pods, replaced.id if replaced else self._record.id)
        return service_context.settings.deadlines.stop + grace

    def _stuck(self, replaced: Replaced | None) -> str:
        pods = stuck_pods(pods_of(self._context, replaced.id if replaced else self._record.id))
        return f"{' '.join(pods)} It is tried again." if pods else _STUCK

    async def _report_delay(self, message: str) -> None:
        self._view.reporter.notify(message, severity=Severity.WARNING)
        if self._record.phase is Phase.UNDOING and not self._reason_written:
            self._reason_written = True  # a replica that takes over finds the reason, and does not start again
            await persist(self._context.service_context, self._context.user_state)
