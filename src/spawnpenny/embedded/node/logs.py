"""The log of a container: two files of limited size, and the pipe that fills them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LOG_BYTES: Final = 2**20
"""The most bytes of a container's output that are kept: the latest ones."""
_BURST: Final = 2**16
_PAUSE: Final = 0.01


class Log(asyncio.Protocol):
    """The log of one run of a container. When it is full, its older half is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        _older(path).unlink(missing_ok=True)
        self._file = path.open("wb", buffering=0)
        self._transport: asyncio.ReadTransport | None = None
        self._resume: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()

    async def connect(self) -> int:
        """Return the file descriptor that a process can write to; the caller closes it."""
        reading, writing = os.pipe()
        pipe = os.fdopen(reading, "rb", 0)
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: self, pipe)
        except BaseException:
            pipe.close()
            os.close(writing)
            raise
        self._transport = transport
        return writing

    def data_received(self, data: bytes) -> None:
        if self._size + len(data) > LOG_BYTES // 2:
            self._file.close()
            self._path.replace(_older(self._path))
            self._file = self._path.open("wb", buffering=0)
            self._size = 0
        self._file.write(data[-LOG_BYTES // 2 :])
        self._size += len(data)
        if len(data) >= _BURST and self._transport is not None:
            # Slow down a program that writes without end, so that it does not block the service.
            self._transport.pause_reading()
            self._resume = asyncio.get_running_loop().call_later(_PAUSE, self._transport.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()

    async def close(self, *, patience: float = 1.0) -> None:
        """Read the rest of the pipe; do not wait for an escaped process that keeps the pipe open."""
        if self._transport is not None:
            try:
                async with asyncio.timeout(patience):
                    await self._ended.wait()
            except TimeoutError:
                pass
            if self._resume is not None:
                self._resume.cancel()
            self._transport.close()
            await self._ended.wait()
        self._file.close()


def tail(path: Path, count: int) -> str:
    """Return the last lines of a log; empty if there is none."""
    content = b"".join(part.read_bytes() for part in (_older(path), path) if part.exists())
    kept = content.decode(errors="replace").splitlines(keepends=True)
    return "".join(kept[-count:]) if count > 0 else ""


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
