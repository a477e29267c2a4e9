"""A Python process that runs one cell after the other, as a notebook's kernel does, with the libraries as they are."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Any, Final, Self

from spawnpenny.testing.patience import PATIENCE

_PROGRAM: Final = str(Path(__file__).with_name("notebook_process.py"))
_LONGEST_ANSWER: Final = 2**24


class CellError(RuntimeError):
    """A cell raised something: ``kind`` is its class, the text its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Notebook:
    """A notebook; ``async with`` starts its process and ends it. Names stay from cell to cell.

    >>> async with Notebook(tmp_path, env=site.env("ada")) as notebook:
    ...     await notebook.run("from dask_gateway import Gateway; gateway = Gateway()")
    ...     assert await notebook.run("gateway.list_clusters()") == []

    Attributes:
        warnings: What the last cell warned of, each as ``Class: text``.

    """

    def __init__(self, folder: Path, *, env: Mapping[str, str] | None = None, python: str = sys.executable) -> None:
        """Prepare it.

        Args:
            folder: Where it works, and writes what its cells print to ``notebook.log``.
            env: Environment variables beside those that the machine's programs need.
            python: Of the environment that it is in.

        """
        self.warnings: list[str] = []
        self._folder = folder
        self._env = {**{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}, **(env or {})}
        self._python = python
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "notebook.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._python,
                "-P",
                _PROGRAM,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**self._env, "HOME": str(self._folder)},
                cwd=self._folder,
                limit=_LONGEST_ANSWER,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        await self.close()

    async def run(self, cell: str, *, patience: float = PATIENCE) -> Any:
        """Run a cell, and return the value of its last line, as JSON has it or else as its ``repr``.

        Raises:
            CellError: The cell raised something, or its process has ended.
            TimeoutError: It takes longer than the patience, in seconds.

        """
        process = self._running
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101 - likewise
        process.stdin.write(json.dumps(dedent(cell)).encode() + b"\n")
        async with asyncio.timeout(patience):
            await process.stdin.drain()
            line = await process.stdout.readline()
        if not line:
            raise CellError("EOFError", f"the process has ended:\n{self.log[-2000:]}")
        answer = json.loads(line)
        self.warnings = answer["warnings"]
        if "error" in answer:
            raise CellError(answer["error"], answer["message"])
        return answer["value"]

    async def close(self) -> None:
        """End it as a kernel ends that is shut down: what it registered with ``atexit`` runs."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.communicate()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def kill(self) -> None:
        """End it as SIGKILL does."""
        with suppress(ProcessLookupError):
            self._running.kill()

    @property
    def log(self) -> str:
        """The output of its cells, and the logs of its libraries."""
        return (self._folder / "notebook.log").read_text(errors="replace")

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise CellError("EOFError", "the notebook is closed")
        return self._process
