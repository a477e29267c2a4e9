"""Refusal of files that somebody else could change: whoever writes a plugin has the service's rights."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MOST_LINKS: Final = 40


def unsafe_place(path: Path) -> str | None:
    """Return why another user could change what a path leads to, in a sentence, or None.

    The file, each folder on its way and each symbolic link belong to root or to the user of this process, and nobody
    else may write there. A filesystem that is mounted read-only, as Kubernetes mounts a ConfigMap, is safe: its modes
    say nothing then.

    Raises:
        OSError: It does not exist, or cannot be looked at.

    """
    for place in _traversed(path):
        link = place.is_symlink()
        if os.statvfs(place.parent if link else place).f_flag & os.ST_RDONLY:
            continue
        status = place.lstat()
        if fault := _owner_fault(place, status) or (None if link else _mode_fault(place, status)):
            return fault
    return None


def _owner_fault(place: Path, status: os.stat_result) -> str | None:
    if status.st_uid in {0, os.geteuid()}:
        return None
    return (
        f"{place} belongs to the user {status.st_uid}, who could change it. "
        f"It has to belong to root or to the user {os.geteuid()}, who runs this."
    )


def _mode_fault(place: Path, status: os.stat_result) -> str | None:
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    # In a folder such as /tmp, nobody can replace what belongs to somebody else.
    if not others or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return None
    who = "everybody" if others & stat.S_IWOTH else f"the group {status.st_gid}"
    return f"{place} can be changed by {who}. To forbid that: chmod go-w {place}"


def _traversed(path: Path) -> Iterator[Path]:
    """Yield each folder and each symbolic link on the way to a file, and the file."""
    start, *parts = path.absolute().parts
    here, links = Path(start), 0
    yield here
    parts.reverse()
    while parts:
        part = parts.pop()
        if part == "..":
            here = here.parent
            continue
        if not (here / part).is_symlink():
            here /= part
            yield here
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        yield here / part
        target = (here / part).readlink()
        if target.is_absolute():
            here = Path(target.anchor)
        parts += reversed(target.relative_to(target.anchor).parts if target.is_absolute() else target.parts)
