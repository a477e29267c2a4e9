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
    """Raise the soft limit of open files to the hard one, and return what holds now."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # not every system takes its own maximum
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Reserve:
    """The descriptors that are kept for the calls, files and processes of this process itself."""

    def __init__(self) -> None:
        self._short = False

    def is_touched_by(self, descriptor: int) -> bool:
        """Return whether a new descriptor leaves fewer than are to be kept.

        The system gives the lowest free number, so that a low one says that there are enough: they are counted only
        once there was a high one, and until there is room again.
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
