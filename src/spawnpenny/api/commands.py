"""The names that a plugin with subcommands may import, beside those of ``spawnpenny.api``. They need click."""

from spawnpenny.cli.exits import DONE, FAILED, REFUSED, USAGE, CommandError, RefusedError, UsageError
from spawnpenny.cli.lazy_command import LazyCommand
from spawnpenny.cli.options import settings_option

__all__ = [
    "DONE",
    "FAILED",
    "REFUSED",
    "USAGE",
    "CommandError",
    "LazyCommand",
    "RefusedError",
    "UsageError",
    "settings_option",
]
