"""Run a notebook of a job: ``python spawnpenny_notebook.py job.json HOME``.

The notebook with its outputs is saved in the output folder after each cell. So it is there up to a cell that fails, or
as far as it came when the job was stopped. It needs Python 3.9 and nbclient, which JupyterLab has.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from asyncio import get_running_loop
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NO_CONVERT, read, write

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
USAGE = 2
LONGEST_LINE = 80


class NotebookRun:
    """One run of a notebook."""

    def __init__(self, source: Path, target: Path, kernel: str) -> None:
        self.notebook: Any = read(str(source), as_version=4)  # type: ignore[no-untyped-call]
        self._target = target
        self._cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        for cell in self._cells:  # outputs of an earlier run would pass for those of this one
            cell.outputs, cell.execution_count = [], None
        self._client = NotebookClient(
            self.notebook,
            timeout=None,
            kernel_name=kernel or self.notebook.metadata.get("kernelspec", {}).get("name", "python3"),
            resources={"metadata": {"path": str(source.parent)}},
            on_notebook_start=self._take_signals,
            on_cell_start=self._announce,
            on_cell_executed=self._show,
        )

    def execute(self) -> int:
        """Run all cells, and return the exit code."""
        self.save()
        try:
            self._client.execute()
        except CellExecutionError as error:
            show(f"{error}\nA cell failed: {error.ename}: {error.evalue}")
        except DeadKernelError:
            show("The kernel of the notebook has died. It may have used more memory than it may.")
        except NoSuchKernel:
            show(f"The image has no kernel {self._client.kernel_name}.")
        else:
            return 0
        finally:
            self.save()
        return 1

    def save(self) -> None:
        """Save the notebook as it is now; a save that is interrupted leaves the one before."""
        part = self._target.with_name(f".{self._target.name}.part")
        write(self.notebook, str(part), version=NO_CONVERT)  # type: ignore[no-untyped-call]
        part.replace(self._target)

    def _take_signals(self, **_: object) -> None:
        """Save the notebook when the job is stopped. nbclient would only end the kernel."""
        for number in (signal.SIGTERM, signal.SIGINT):
            get_running_loop().remove_signal_handler(number)
            signal.signal(number, self._stop)

    def _stop(self, number: int, _: object) -> None:
        self.save()
        show("The job was stopped. The notebook is saved as it was.")
        os._exit(128 + number)  # the container ends with this process, and the kernel with the container

    def _announce(self, cell: Any, **_: object) -> None:
        if cell.cell_type == "code" and cell.source.strip():
            line = cell.source.strip().splitlines()[0]
            shown = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"
            number = next(number for number, known in enumerate(self._cells, start=1) if known is cell)
            show(f"[{number}/{len(self._cells)}] {shown}")

    def _show(self, cell: Any, **_: object) -> None:
        for output in cell.outputs:
            if output.output_type == "stream":
                show(output.text.removesuffix("\n"))
        self.save()


def show(text: str) -> None:
    """Write a line to the log of the job."""
    line = COLOURS.sub("", f"{text}\n")
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def main() -> int:
    job, home = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    source = home / job["notebook"]
    target = home / job["output"] / source.name
    if target.exists() and source.exists() and target.samefile(source):
        show("The output would overwrite the notebook: choose another folder for it.")
        return USAGE
    try:
        notebook = NotebookRun(source, target, job["kernel"])
    except FileNotFoundError:
        show(f"There is no notebook {job['notebook']} in the home folder.")
        return USAGE
    except Exception as error:  # noqa: BLE001 - nbformat raises what it meets in a file that is no notebook
        show(f"The notebook {job['notebook']} cannot be read: {error}")
        return USAGE
    return notebook.execute()


if __name__ == "__main__":
    sys.exit(main())
