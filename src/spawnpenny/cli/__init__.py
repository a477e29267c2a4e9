"""The command ``spawnpenny``. Without the extra ``[server]`` it prints what to install."""

from __future__ import annotations

import sys
from typing import Final

_SERVER: Final = frozenset(
    {
        "aiohttp_sse",
        "apispec",
        "click",
        "kubernetes_asyncio",
        "marshmallow",
        "pluggy",
        "prometheus_client",
        "psutil",
        "rich",
        "structlog",
        "yaml",
    }
)


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        from spawnpenny.cli.command import run  # noqa: PLC0415 - its imports need the extra [server]

        code = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _SERVER:
            raise
        sys.stderr.write(f"The command needs {error.name}. To install it: pip install 'spawnpenny[server]'\n")
        sys.exit(2)
    sys.exit(code)
