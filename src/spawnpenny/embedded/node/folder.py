"""The folder of an embedded cluster: its lock, and the paths of its files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from spawnpenny.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Folder:
    """The folder of a cluster, locked while it is entered; the kernel unlocks it however the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: int | None = None

    @property
    def node_id(self) -> str:
        """The value of ``SPAWNPENNY_NODE`` in the environment of every process of this cluster.

        It depends only on the path, so that orphans are found even after the folder was removed.
        """
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:32]

    def pod(self, uid: str) -> Path:
        return self.path / "pods" / uid

    def log(self, uid: str, container: str) -> Path:
        return self.pod(uid) / "logs" / f"{container}.log"

    def claim(self, namespace: str, name: str) -> Path:
        return self.path / "claims" / namespace / name

    def discard_claim(self, namespace: str, name: str) -> Path | None:
        """Move the folder of a volume claim away and return its new path, for removal; None if there is none."""
        trash = self.path / "trash" / uuid.uuid4().hex
        trash.parent.mkdir(exist_ok=True)
        try:
            return self.claim(namespace, name).rename(trash)
        except FileNotFoundError:
            return None

    def remove_pods(self) -> None:
        """Remove the folders of pods, and the trash; the folder has to be locked, without running processes."""
        for part in ("pods", "trash"):
            shutil.rmtree(self.path / part, ignore_errors=True)

    def __enter__(self) -> Self:
        """Lock the folder, and create it if it does not exist.

        Raises:
            SettingsError: Another embedded cluster uses it.

        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            os.close(lock)
            raise SettingsError(
                f"The folder {self.path} is in use by another embedded cluster "
                f"(process {holder or 'not known'}). "
                "Stop that cluster, or choose another folder."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            with suppress(OSError):
                os.close(self._lock)
            self._lock = None
