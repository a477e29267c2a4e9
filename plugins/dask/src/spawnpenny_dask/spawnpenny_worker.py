"""Move a worker's data before its pod goes, and report how its process ended: a preload of nannies and workers.

A pod that is drained, evicted or preempted gets SIGTERM and some seconds. distributed's worker then ends at once, and
loses the data that only it holds. This has the scheduler move the data first. It runs in the image of a user, with
Python 3.9 and distributed 2024.1 or newer. After an error here, the worker ends as it would without this preload.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
from contextlib import suppress
from typing import Any

ANSWER = 5.0
"""Seconds for an answer of the scheduler."""
PAUSE = 0.3
CLOSING = 3.0
"""Seconds of the grace period that remain for closing the worker."""

logger = logging.getLogger("distributed.spawnpenny")


class Departure:
    """The departure of a worker whose pod is being deleted. ``server`` is its nanny, or the worker itself."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.before: Any = None
        self.task: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Replace distributed's handler of SIGTERM, which runs after the data has moved."""
        self.before = signal.signal(signal.SIGTERM, self.ordered)

    def ordered(self, number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, self.before)  # a second signal ends the worker at once
        self.loop.call_soon_threadsafe(self.begin)

    def begin(self) -> None:
        self.task = self.loop.create_task(self.leave())

    async def leave(self) -> None:
        grace = float(os.environ.get("SPAWNPENNY_GRACE", "10"))
        try:
            await asyncio.wait_for(self.move_data(), max(grace - CLOSING, grace / 2))
        except Exception as error:  # noqa: BLE001 - it ends without, then
            logger.warning("spawnpenny: the data of this worker may be lost: %r", error)
        os.kill(os.getpid(), signal.SIGTERM)

    async def move_data(self) -> None:
        """Wait until the scheduler reports that no data is left that only this worker holds."""
        while address := self.address():
            name = str(self.server.name)
            if await asyncio.wait_for(self.server.scheduler.spawnpenny_leave(name=name, address=address), ANSWER):
                return
            await asyncio.sleep(PAUSE)

    def address(self) -> str | None:
        """Return the address of the worker; None if it is already closing."""
        if self.server.status.name not in {"running", "paused", "closing_gracefully"}:
            return None
        address: str | None = self.server.worker_address
        return address


class Exits:
    """Reports to the scheduler about unexpected ends of a nanny's worker process."""

    def __init__(self, nanny: Any) -> None:
        self.nanny = nanny
        self.kills = 0
        self.terminated = -1
        self.reports: set[asyncio.Task[None]] = set()

    def watch(self) -> None:
        ended, kill = self.nanny._on_worker_exit_sync, self.nanny.kill  # noqa: SLF001 - there is no other way

        @functools.wraps(ended)
        def on_exit(code: int) -> None:
            self.ended(code)
            ended(code)

        @functools.wraps(kill)
        async def counted(*arguments: Any, **more: Any) -> Any:
            self.kills += 1
            try:
                return await kill(*arguments, **more)
            finally:
                self.kills -= 1

        self.nanny._on_worker_exit_sync = on_exit  # noqa: SLF001
        self.nanny.kill = self.nanny.handlers["kill"] = counted

    def ended(self, code: int) -> None:
        if not code or self.kills or self.nanny.status.name != "running":
            return
        pid = getattr(self.nanny.memory_manager, "_last_terminated_pid", -1)
        memory, self.terminated = pid != self.terminated, pid
        task = asyncio.ensure_future(self.report(code, memory))
        self.reports.add(task)
        task.add_done_callback(self.reports.discard)

    async def report(self, code: int, memory: bool) -> None:
        try:
            await self.nanny.scheduler.spawnpenny_process_ended(name=str(self.nanny.name), code=code, memory=memory)
        except Exception:
            logger.warning("spawnpenny: the end of a worker's process cannot be reported", exc_info=True)


def dask_setup(server: Any) -> None:
    """Set up. distributed calls this for a nanny before its worker starts, and for a worker once it runs."""
    if getattr(server, "nanny", None):
        # Some entry points pass SIGTERM to their process group. The nanny alone is to end its worker.
        with suppress(OSError):
            os.setpgid(0, 0)
        return
    Departure(server).prepare()
    if hasattr(server, "memory_manager") and hasattr(server, "_on_worker_exit_sync"):
        Exits(server).watch()
