"""The tasks of the service: kept until they end, and logged when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from spawnpenny.aio.settle import settle
from spawnpenny.errors import SpawnpennyError


class Tasks:
    """Runs work that outlives the request that started it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("spawnpenny.tasks")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work in the background."""
        _ = self.start(work)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work and return its task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all tasks and wait for them."""
        # A task that ends may start another one. Tasks that are done leave the set only in the next turn of the loop.
        while tasks := {task for task in self._tasks if not task.done()}:
            for task in tasks:
                task.cancel()
            await settle(tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, SpawnpennyError):  # its message says enough
                self._log.warning("a task ended early", code=error.code, error=error.message)
            else:
                self._log.error("a task failed", exc_info=error)
