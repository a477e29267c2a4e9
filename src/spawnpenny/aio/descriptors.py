"""Limits on file descriptors: their number, and a reserve for the process's own calls."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

_LEAST: Final = 64
_SHARE: Final = 8
_MOST: Final = 1024
_FOLDERS: Final = ("/proc/self/fd", "/dev/fd")


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one; return the new limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # not every system takes its own maximum
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Reserve:
    """Descriptors that callers cannot use up: they are kept for the process's own calls, files and processes."""

    def __init__(self) -> None:
        self._short = False

    def is_touched_by(self, descriptor: int) -> bool:
        """Return whether a new descriptor is one of the reserve.

        The system gives the lowest free number, so a low one says that enough are free. Descriptors are counted only
        after a high one, until enough are free again.
        """
        last = _last_for_callers()
        if descriptor <= last and not self._short:
            return False
        self._short = _used(descriptor) > last
        return self._short


def _last_for_callers() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = min(_MOST, max(_LEAST, soft // _SHARE), soft // 2)
    return soft - kept


def _used(descriptor: int) -> int:
    for folder in _FOLDERS:
        with suppress(OSError):
            return len(os.listdir(folder)) - 1  # noqa: PTH208 - names alone; the folder itself is one
    return descriptor
