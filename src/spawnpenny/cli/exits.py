"""Exit codes of commands: 0 done, 1 failed, 2 wrong usage or settings, 3 refused by the service."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3


class CommandError(Exception):
    """A command failed; the text is its message on stderr."""

    exit_code = FAILED


class RefusedError(CommandError):
    """The service refused a request."""

    exit_code = REFUSED


class UsageError(CommandError):
    """The command was used wrongly."""

    exit_code = USAGE
