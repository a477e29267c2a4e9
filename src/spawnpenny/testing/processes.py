"""Processes that a test starts, and that are gone when it is, however it ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

_SET_PDEATHSIG: Final = 1  # from <sys/prctl.h>
_TAIL: Final = 15


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
        while self._running:
            _, process = self._running.pop()
            # A session of its own makes the process the leader of a group of that number, children included.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, name: str, argv: Sequence[str]) -> None:
        """Start a process; ``name`` is for its log file and for messages."""
        with (self._logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the caller's own program
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one system call, prepared beforehand
            )
        self._running.append((name, process))

    def wait_until(self, ready: Callable[[], bool], what: str, *, seconds: float) -> None:
        """Wait until a check is true.

        Raises:
            ProcessError: It is not after so many seconds, or one of the processes has ended.

        """
        until = time.monotonic() + seconds
        while not ready():
            for name, process in self._running:
                if process.poll() is not None:
                    raise ProcessError(f"{name} ended with {process.returncode}:\n{self._tail(name)}")
            if time.monotonic() > until:
                tails = "\n".join(f"{name}:\n{self._tail(name)}" for name, _ in self._running)
                raise ProcessError(f"{what} was not ready after {seconds:.0f} s.\n{tails}")
            time.sleep(0.05)

    def _tail(self, name: str) -> str:
        text = (self._logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-_TAIL:])


def _die_with_parent() -> Callable[[], None] | None:
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
