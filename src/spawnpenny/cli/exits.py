"""Exit codes of commands: 0 done, 1 failed, 2 usage or settings, 3 refused by the service."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3


class CommandError(Exception):
    """A command cannot go on; its text is the one sentence that the person reads."""

    exit_code = FAILED


class RefusedError(CommandError):
    """The service refused."""

    exit_code = REFUSED


class UsageError(CommandError):
    """The command cannot be used so."""

    exit_code = USAGE
