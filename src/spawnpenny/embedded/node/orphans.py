"""Find and kill orphans: processes of pods that are in no known process group, by their environment.

A process that calls setsid, as every Jupyter kernel does, leaves the process group that is killed, and a process of a
killed service outlives it. Both still have the environment with which they were started. A process that drops its
environment is not found: only a container runtime could hold it.
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


def end_orphans(folder: Path) -> int:
    """End the processes that a killed embedded cluster left running; return how many there were.

    The folders of its pods are removed, too; those of volume claims stay.

    Raises:
        SettingsError: The cluster is running.

    """
    with Folder(folder) as locked:
        ended = kill_processes({NODE: locked.node_id})
        locked.remove_pods()
    return ended


def kill_processes(variables: Mapping[str, str]) -> int:
    """Kill all processes with these variables, except for this one and its ancestors; return how many there were.

    It repeats until none is found, as one may have forked meanwhile. It blocks: call it in a thread.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while (found := find_processes(variables)) and time.monotonic() < deadline:
        for process in found:
            killed.add(process.pid)
            with suppress(psutil.NoSuchProcess):
                process.kill()  # never another process of the same number: psutil compares the start time
        # Not psutil's wait, which would reap a child of this program before the program itself does.
        time.sleep(_PAUSE)
    return len(killed)


def find_processes(variables: Mapping[str, str]) -> list[psutil.Process]:
    """Find the processes with these variables in their environment, except for this one and its ancestors."""
    excluded = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for pid in psutil.pids():
        if pid in excluded:
            continue
        try:
            process = psutil.Process(pid)
            environ = process.environ()
            alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue  # it has ended meanwhile, or belongs to another user
        if alive and all(environ.get(name) == value for name, value in variables.items()):
            found.append(process)
    return found
