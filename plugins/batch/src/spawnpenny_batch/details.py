"""Details of a job in answers: its try, where its output is, and the end of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from spawnpenny.api import Manifest, SpawnStatus
from spawnpenny_batch.progress import Progress


def job_details(status: SpawnStatus, pods: Sequence[Manifest]) -> Mapping[str, Any]:
    """Return the progress of a job over its tries."""
    del pods  # those of earlier tries are gone
    progress = Progress.of(status.state)
    began = datetime.fromtimestamp(progress.began, UTC).isoformat(timespec="seconds") if progress.began else None
    return {
        "try": progress.attempt,
        "replaced": progress.lost,
        "began": began,
        "output": progress.output or None,
        "log": progress.log or None,
    }
