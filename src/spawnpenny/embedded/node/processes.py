"""A local process, its process group, and its end.

A pidfd on the event loop reports the end. asyncio's own subprocesses could do the same with a PidfdChildWatcher, but on
Python 3.11 that watcher is set for the whole program, and from 3.12 on it is deprecated. Also, the group has to be
killed before its leader is reaped, while no other process can have its number.

Processes do not end with their parent (PR_SET_PDEATHSIG): that needs code between fork and exec, which is unsafe in a
program with threads, depends on the thread that forked, and does not reach grandchildren. ``embedded.node.orphans``
finds them all.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from pathlib import Path

    from spawnpenny.embedded.node.logs import Log

_SIGNALLED: Final = 128


async def finish(work: Coroutine[Any, Any, Any]) -> None:
    """Await cleanup work; when cancelled meanwhile, finish it before the cancellation."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class Grace:
    """The grace period of a pod's processes; a later call can only make it shorter."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self.over.set)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Process:
    """A process in a session of its own. ``ended`` has its exit code: for a signal, 128 plus its number."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        self.pid = popen.pid
        self.ended: asyncio.Future[int] = loop.create_future()
        self._popen = popen
        self._pidfd = os.pidfd_open(popen.pid)
        loop.add_reader(self._pidfd, self._reap)

    @classmethod
    def start(cls, argv: Sequence[str], env: Mapping[str, str], cwd: Path, output: int) -> Self:
        """Start a process.

        Raises:
            OSError: The command does not exist, or cannot be run.

        """
        popen = subprocess.Popen(  # noqa: S603 - running the commands of pods is the purpose
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        return cls(popen)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group, unless its leader has ended."""
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    async def end(self, grace: Grace) -> int:
        """Send SIGTERM, and SIGKILL after the grace period; return the exit code."""
        self.signal(signal.SIGTERM)
        over = asyncio.create_task(grace.over.wait())
        either: set[asyncio.Future[Any]] = {self.ended, over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            self.signal(signal.SIGKILL)
        return await self.wait()

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        # The leader has ended and is not reaped, so the number still belongs to this group only.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._popen.wait()
        self.ended.set_result(code if code >= 0 else _SIGNALLED - code)


class Starter:
    """Starter of processes, one at a time; the event loop serves other tasks after each."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Log) -> Process:
        """Start a process whose output goes to a log.

        Raises:
            OSError: The command does not exist, or cannot be run.

        """
        async with self._lock:
            output = await log.connect()
            try:
                process = Process.start(argv, env, cwd, output)
            finally:
                os.close(output)
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                process.signal(signal.SIGKILL)
                raise
            return process
