"""What the client is told of a cluster. The keys of a report are exactly these: one more breaks the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.authority import Authority
from spawnpenny.gateway.status import Status, status_of

if TYPE_CHECKING:
    from spawnpenny.pipeline.record import SpawnRecord

CLIENT_DAYS: Final = 30
"""How long the key in a report is good. Each report has one of its own."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client's own certificate, with the authority's after it, and its key: PEM."""

    cert: str
    key: str


def report(record: SpawnRecord) -> dict[str, Any]:
    """Return the report of a cluster as a list has it: nothing in it opens anything."""
    return {
        "name": record.key.name,
        "status": status_of(record),
        "start_time": _milliseconds(record.requested_at),
        "stop_time": None if record.ended_at is None else _milliseconds(record.ended_at),
        "options": shown_options(record),
        "dashboard_route": None,
        "tls_cert": None,
        "tls_key": None,
    }


def full_report(record: SpawnRecord, *, ticket: str | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a single cluster, for its owner.

    Where it runs, a new certificate to connect with, and the way to its dashboard, if there is a ``ticket`` for it.
    ``facts`` are further members of ``options``, the only place where there may be any.
    """
    told = report(record)
    told["options"] = {**facts, **told["options"]}
    if told["status"] is Status.RUNNING:
        credentials = client_credentials(record)
        told |= {
            "dashboard_route": f"/clusters/{record.key.name}/{ticket}/status" if ticket else None,
            "tls_cert": credentials.cert if credentials else None,
            "tls_key": credentials.key if credentials else None,
        }
    return told


def client_credentials(record: SpawnRecord) -> Credentials | None:
    """Return new credentials for a client of a cluster; None where it has no authority of its own."""
    kept = record.secrets.get("authority")
    if kept is None:
        return None
    authority = Authority.load(kept)
    leaf = authority.leaf("client", CLIENT_DAYS)
    return Credentials(f"{leaf.certificate.rstrip()}\n{authority.certificate}", leaf.key)


def shown_options(record: SpawnRecord) -> dict[str, Any]:
    """Return what was chosen; of a mapping, such as the environment, the names alone: its values may be secret."""
    options = record.request.options
    return {name: sorted(value) if isinstance(value, dict) else value for name, value in options.items()}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
