"""A service process that ends after seconds, not minutes, when it cannot do its work. A test runs it."""

from __future__ import annotations

import sys

from spawnpenny.aio.supervisor import Restarts, Supervisor
from spawnpenny.cli.exits import CommandError
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.serve import run_server
from spawnpenny.cli.signals import run_until_signal
from spawnpenny.settings.load import load_settings


async def serve(file: str) -> None:
    restarts = Restarts(first=0.01, longest=0.1, settled=0.1, alarm=1, patience=6)
    await run_server(load_settings(file), supervisor=Supervisor(restarts))


if __name__ == "__main__":
    configure_logs("json")
    try:
        run_until_signal(serve(sys.argv[1]))
    except CommandError as error:
        sys.exit(str(error))
