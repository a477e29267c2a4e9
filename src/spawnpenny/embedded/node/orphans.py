"""Find processes of a pod that are in no process group that we know, by their environment.

A process that calls setsid (every Jupyter kernel does) leaves the group that is killed, and one whose service
was killed outlives it. Both still carry the environment that they were started with. One that throws that
away is not
found: only a container runtime could hold it.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psutil

from spawnpenny.embedded.node.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NODE: Final = "SPAWNPENNY_NODE"
POD_UID: Final = "SPAWNPENNY_POD_UID"
CONTAINER: Final = "SPAWNPENNY_CONTAINER"

_PATIENCE: Final = 5.0
_PAUSE: Final = 0.01


def clean(folder: Path) -> int:
    """End what a killed embedded cluster left running in a folder; return how many processes that were.

    The folders of its pods are removed too; those of volume claims stay.

    Raises:
        SettingsError: The cluster is running.

    """
    with Folder(folder) as held:
        ended = sweep({NODE: held.mark})
        held.remove_leftovers()
    return ended


def sweep(marks: Mapping[str, str]) -> int:
    """Kill all processes whose environment has these marks, but for us and our ancestors; return how many.

    It looks again until there are none, as one may have forked meanwhile. It blocks: call it in a thread.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while (found := marked(marks)) and time.monotonic() < deadline:
        for process in found:
            killed.add(process.pid)
            with suppress(psutil.NoSuchProcess):
                process.kill()  # never another one of the same number: psutil compares the start time
        # Not psutil's wait: it would reap a child of this program before the program itself does.
        time.sleep(_PAUSE)
    return len(killed)


def marked(marks: Mapping[str, str]) -> list[psutil.Process]:
    """Find the processes whose environment has these marks, but for us and our ancestors."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for pid in psutil.pids():
        if pid in spared:
            continue
        try:
            process = psutil.Process(pid)
            environ = process.environ()
            alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
        if alive and all(environ.get(name) == value for name, value in marks.items()):
            found.append(process)
    return found
