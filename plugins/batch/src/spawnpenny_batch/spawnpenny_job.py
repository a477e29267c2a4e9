"""Run a job in the image of its user: a notebook or a command, with its output in a folder of the home.

``python spawnpenny_job.py job.json`` starts the program in a process of its own, copies what it writes to ``log.txt``
in the output folder, and leaves the end of that for the cluster. Its working directory is the home. It needs Python 3.9
and its standard library alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

NOTEBOOKS = Path(__file__).with_name("spawnpenny_notebook.py")
"""The program that runs a notebook."""
LAST_BYTES = 2048
"""How much of the end of the output the cluster gets."""
BLOCK = 65536
REST = 5.0
"""Seconds for the rest of the output of a program that has ended."""
USAGE = 2
NOT_EXECUTABLE = 126
NOT_FOUND = 127


class UnusableError(Exception):
    """The job cannot run, for a reason that its user reads. ``code`` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Output:
    """The output of a job: it goes to a file, to the log of the container, and its end to the cluster."""

    def __init__(self) -> None:
        self.log: BinaryIO | None = None
        self._end = b""

    def write(self, block: bytes) -> None:
        self._end = (self._end + block)[-LAST_BYTES:]
        for stream in (sys.stdout.buffer, self.log):
            if stream is not None:
                with suppress(OSError):  # a full disk does not end the job
                    stream.write(block)
                    stream.flush()

    def write_line(self, text: str) -> None:
        self.write(f"{text}\n".encode("utf-8", "backslashreplace"))

    def leave_end(self) -> None:
        """Leave the end of the output for the cluster."""
        place = os.environ.get("SPAWNPENNY_JOB_LOG")
        if place:
            with suppress(OSError):  # the cluster takes the end of the container's log then
                Path(place).write_bytes(self._end)


def run(job_file: Path, output: Output) -> int:
    """Run a job, and return its exit code.

    Raises:
        UnusableError: It cannot be started.

    """
    home, job = Path.cwd(), json.loads(job_file.read_text(encoding="utf-8"))
    folder = home / job["output"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output.log = (folder / "log.txt").open("ab")
    except OSError as error:
        message = f"The output folder {job['output']} cannot be used: {error.strerror}."
        raise UnusableError(message, NOT_EXECUTABLE) from None
    output.write_line(f"--- {time.strftime('%Y-%m-%d %H:%M:%S %Z')}")
    directory = home / job["directory"]
    if not directory.is_dir():
        raise UnusableError(f"The home folder has no folder {job['directory']}.", NOT_FOUND)
    return run_program(argv_of(job, job_file, home), directory, output)


def argv_of(job: dict[str, Any], job_file: Path, home: Path) -> list[str]:
    """Return the command line of a job."""
    if "command" in job:
        return list(job["command"])
    return [sys.executable, str(NOTEBOOKS), str(job_file.absolute()), str(home)]


def run_program(argv: list[str], directory: Path, output: Output) -> int:
    """Run a program to its end, and return its exit code. Signals are passed on to it and its children."""
    try:
        program = subprocess.Popen(  # noqa: S603 - a job runs its user's program
            argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except FileNotFoundError:
        raise UnusableError(f"The image has no program {argv[0]}.", NOT_FOUND) from None
    except (OSError, ValueError) as error:
        raise UnusableError(f"The program {argv[0]} cannot be started: {error}.", NOT_EXECUTABLE) from None

    def pass_on(number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    copying = threading.Thread(target=copy, args=(program.stdout, output), daemon=True)
    copying.start()
    code = program.wait()
    copying.join(REST)  # a process that it left behind may hold the pipe open for ever
    if code < 0:
        output.write_line(f"The program was ended by the signal {-code}.")
        return 128 - code
    return code


def copy(pipe: Any, output: Output) -> None:
    """Copy what a program writes until its end."""
    while block := pipe.read1(BLOCK):
        output.write(block)


def main() -> int:
    output = Output()
    try:
        return run(Path(sys.argv[1]), output)
    except UnusableError as error:
        output.write_line(str(error))
        return error.code
    finally:
        output.leave_end()


if __name__ == "__main__":
    sys.exit(main())
