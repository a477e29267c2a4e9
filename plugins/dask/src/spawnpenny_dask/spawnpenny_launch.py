"""Run a command-line program of distributed with our preloads before those of its configuration.

``python spawnpenny_launch.py distributed.cli.dask_scheduler …`` is ``python -m distributed.cli.dask_scheduler …``, but
for that. A preload that is named on the command line hides those of the image and of the user, which stand in Dask's
configuration; so ours join these in the configuration. It runs inside the image of a user: Python 3.9 and distributed
2024.1 are enough for it. Nothing is imported early, as the processes that a nanny starts read this file, too.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCHEDULER = ("spawnpenny_control.py", "spawnpenny_nannies.py", "spawnpenny_dashboard.py")
WORKER = ("spawnpenny_worker.py",)


def prepend(key: str, files: tuple[str, ...]) -> list[str]:
    """Put files before the preloads of a key of the configuration; return them all."""
    import dask  # noqa: PLC0415 - not in every process that reads this file

    configured: Any = dask.config.get(f"{key}.preload", default=None) or []
    theirs = [configured] if isinstance(configured, str) else list(configured)
    ours = [str(HERE / file) for file in files]
    arguments: Any = dask.config.get(f"{key}.preload-argv", default=None) or []
    if arguments and not isinstance(arguments, str) and not isinstance(arguments[0], str):  # a list for each preload
        dask.config.set({f"{key}.preload-argv": [*([] for _ in ours), *arguments]})
    dask.config.set({f"{key}.preload": [*ours, *theirs]})
    return [*ours, *theirs]


def with_preloads(program: str, arguments: list[str]) -> list[str]:
    """Configure the preloads of a program, and return its arguments with what it takes from nowhere else."""
    import_module("distributed")  # its own defaults have to be in the configuration first
    if program.endswith("dask_scheduler"):
        return _named_too(prepend("distributed.scheduler", SCHEDULER)[: len(SCHEDULER)], arguments)
    arguments = _named_too(prepend("distributed.worker", WORKER)[: len(WORKER)], arguments)
    if "--no-nanny" in arguments:
        return arguments
    # The program hands the nanny an empty list, so that the nanny does not look at its configuration.
    nanny = prepend("distributed.nanny", WORKER)
    return [*(part for file in nanny for part in ("--preload-nanny", file)), *arguments]


def _named_too(ours: list[str], arguments: list[str]) -> list[str]:
    """Name our preloads where the arguments name some, as those of the configuration are not looked at then."""
    if not any(each == "--preload" or each.startswith("--preload=") for each in arguments):
        return arguments
    return [*(part for file in ours for part in ("--preload", file)), *arguments]


def main() -> None:
    program, arguments = sys.argv[1], sys.argv[2:]
    if sys.path and sys.path[0] == str(HERE):
        sys.path[0] = str(
            Path.cwd()
        )  # as ``python -m`` has it: what an image has in its working directory is importable
    sys.argv = [program, *with_preloads(program, arguments)]
    import_module(program).main()


if __name__ == "__main__":
    main()
