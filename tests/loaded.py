"""Run a subcommand, and write what its process has loaded to a file when it ends: ``loaded.py FILE SUBCOMMAND …``."""

from __future__ import annotations

import atexit
import json
import sys
from pathlib import Path


def write(file):
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0])
    Path(file).write_text(json.dumps({"modules": sorted(sys.modules), "peak": peak}))


if __name__ == "__main__":
    atexit.register(write, sys.argv[1])
    sys.argv = ["spawnpenny", *sys.argv[2:]]
    from spawnpenny.cli import main

    main()
