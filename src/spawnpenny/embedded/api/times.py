"""Timestamps in the format of Kubernetes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def timestamp(*, after: float = 0) -> str:
    """Return the time in ``after`` seconds, such as ``2026-01-31T12:00:00Z``."""
    moment = datetime.now(UTC) + timedelta(seconds=after)
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
