"""The audit log of an API server, so that a test can count the calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RECENT: Final = 1 << 20
POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One request to the API server; a watch counts from when it was opened.

    ``authorized`` says whether the user's rights allowed it; one that was may still have been refused for another
    reason.
    """

    id: str
    verb: str
    path: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    user_agent: str
    status: int
    authorized: bool


class AuditLog:
    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self) -> int:
        """Return the bytes written so far."""
        return self._path.stat().st_size if self._path.exists() else 0

    def has(self, audit_id: str) -> bool:
        """Return whether a request is among the last that were written."""
        with self._path.open("rb") as log:
            log.seek(max(0, self.size() - _RECENT))
            return audit_id.encode() in log.read()

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[AuditEntry]:
        """Yield each request once that was answered, or began to be, between two positions in the log."""
        seen: set[str] = set()
        with self._path.open("rb") as log:
            log.seek(start)
            for line in log:
                start += len(line)
                if not line.endswith(b"\n") or (end is not None and start > end):  # or is still being written
                    return
                entry = _entry(json.loads(line))
                if entry.id not in seen:
                    seen.add(entry.id)
                    yield entry


def _entry(event: dict[str, Any]) -> AuditEntry:
    target = event.get("objectRef") or {}
    return AuditEntry(
        id=event["auditID"],
        verb=event["verb"],
        path=event["requestURI"].partition("?")[0],
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        user=event["user"].get("username", ""),
        user_agent=event.get("userAgent", ""),
        status=(event.get("responseStatus") or {}).get("code", 0),
        authorized=(event.get("annotations") or {}).get("authorization.k8s.io/decision") != "forbid",
    )
