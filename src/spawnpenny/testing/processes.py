"""Processes of a test, which end with it in any case."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from spawnpenny.testing.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_SET_PDEATHSIG: Final = 1  # from <sys/prctl.h>
_TAIL: Final = 15
_PAUSE: Final = 0.05


class ProcessError(RuntimeError):
    """A process ended by itself or did not become ready; the message has the end of its log."""


class Processes:
    """Starts processes, each with a log file; the end of the context ends them, the last one first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes, the last one first."""
        while self._running:
            name, _ = self._running[-1]
            self.end(name)

    def start(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start a process; ``name`` is for its log file, which is appended to, and for messages."""
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - the caller's own program
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_killed_with_parent(),  # noqa: PLW1509 - one system call, prepared beforehand
            )
        self._running.append((name, process))

    def runs(self, name: str) -> bool:
        """Return whether a process has been started and not been ended by us."""
        return any(running == name for running, _ in self._running)

    def pid(self, name: str) -> int:
        """Return the number of a process that runs."""
        return self._find(name).pid

    def end(self, name: str, number: signal.Signals = signal.SIGKILL, *, seconds: float = 10) -> None:
        """End a process, its group included, and wait for that; one that does not heed is killed."""
        process = self._find(name)
        if number != signal.SIGKILL and process.poll() is None:
            process.send_signal(number)
            _wait_unreaped(process.pid, seconds)
        # A session of its own makes the process the leader of a group of that number, children included.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._running.remove((name, process))

    def check(self) -> None:
        """Look whether all processes still run.

        Raises:
            ProcessError: One of them has ended by itself.

        """
        for name, process in self._running:
            if process.poll() is not None:
                raise ProcessError(f"{name} ended with {process.returncode}:\n{self._tail(name)}")

    def wait_until(self, ready: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
        """Wait until a check is true.

        Raises:
            ProcessError: It is not after so many seconds, or one of the processes has ended.

        """
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                tails = "\n".join(f"{name}:\n{self._tail(name)}" for name, _ in self._running)
                raise ProcessError(f"{what} was not ready after {seconds:.0f} s.\n{tails}")
            time.sleep(_PAUSE)

    def _find(self, name: str) -> subprocess.Popen[bytes]:
        for running, process in self._running:
            if running == name:
                return process
        raise ProcessError(f"{name} does not run.")

    def _tail(self, name: str) -> str:
        text = (self._logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-_TAIL:])


def _wait_unreaped(pid: int, seconds: float) -> None:
    """Wait for a child's end, and leave it unreaped: its number stays that of its group, and nobody else's."""
    until = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and time.monotonic() < until:
        time.sleep(_PAUSE)


def _killed_with_parent() -> Callable[[], None] | None:
    """Return what asks Linux to kill the process once its parent is gone: a killed parent cannot."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


async def output_of(*argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end; return its exit code and all that it wrote. A caller who goes away kills it."""
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return await process.wait(), output.decode(errors="replace")
