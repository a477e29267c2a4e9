"""Hand over a worker's data before its pod goes, and report how its process ended: a preload of nannies and workers.

A pod that is drained, evicted or preempted gets SIGTERM, and some seconds. Distributed's worker ends at once then, and
what only it held is lost. This has the scheduler move it first. It runs inside the image of a user: Python 3.9 and
distributed 2024.1 are enough for it. Whatever goes wrong here, the worker ends as it would have without it.
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
"""Seconds for an answer of the scheduler's."""
PAUSE = 0.3
CLOSING = 3.0
"""Seconds of the pod's grace that are left to close the worker."""

logger = logging.getLogger("distributed.spawnpenny")


class Departure:
    """The departure of a worker whose pod is ordered away; ``server`` is its nanny, or itself."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.before: Any = None
        self.task: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Take the place of distributed's handler of SIGTERM, which is called when the data has moved."""
        self.before = signal.signal(signal.SIGTERM, self.ordered)

    def ordered(self, number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, self.before)  # who sends another one does not want to wait
        self.loop.call_soon_threadsafe(self.begin)

    def begin(self) -> None:
        self.task = self.loop.create_task(self.leave())

    async def leave(self) -> None:
        grace = float(os.environ.get("SPAWNPENNY_GRACE", "10"))
        try:
            await asyncio.wait_for(self.hand_over(), max(grace - CLOSING, grace / 2))
        except Exception as error:  # noqa: BLE001 - it ends without, then
            logger.warning("spawnpenny: the data of this worker may be lost: %r", error)
        os.kill(os.getpid(), signal.SIGTERM)

    async def hand_over(self) -> None:
        """Return when the scheduler says that nothing is left here which only this worker holds."""
        while address := self.address():
            name = str(self.server.name)
            if await asyncio.wait_for(self.server.scheduler.spawnpenny_leave(name=name, address=address), ANSWER):
                return
            await asyncio.sleep(PAUSE)

    def address(self) -> str | None:
        """Return the address of the worker that runs; None where it is closing anyway."""
        if self.server.status.name not in {"running", "paused", "closing_gracefully"}:
            return None
        address: str | None = self.server.worker_address
        return address


class Exits:
    """Reports to the scheduler how the process of a nanny's worker ended unexpectedly."""

    def __init__(self, nanny: Any) -> None:
        self.nanny = nanny
        self.wanted = 0
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
            self.wanted += 1
            try:
                return await kill(*arguments, **more)
            finally:
                self.wanted -= 1

        self.nanny._on_worker_exit_sync = on_exit  # noqa: SLF001
        self.nanny.kill = self.nanny.handlers["kill"] = counted

    def ended(self, code: int) -> None:
        if not code or self.wanted or self.nanny.status.name != "running":
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
    """Begin; distributed calls this for a nanny before its worker starts, and for a worker when it runs."""
    if getattr(server, "nanny", None):
        # Some entry points pass SIGTERM to their whole process group. The nanny says when its worker ends.
        with suppress(OSError):
            os.setpgid(0, 0)
        return
    Departure(server).prepare()
    if hasattr(server, "memory_manager") and hasattr(server, "_on_worker_exit_sync"):
        Exits(server).watch()
