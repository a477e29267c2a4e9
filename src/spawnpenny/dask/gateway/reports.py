"""Cluster reports for dask-gateway's client. The keys are exactly these: one more breaks the client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.dask.gateway.status import status_of
from spawnpenny.domain.contract import AUTHORITY
from spawnpenny.tls import Authority

if TYPE_CHECKING:
    from spawnpenny.spawns.spawn_record import SpawnRecord

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
        "options": record.request.options,
        "dashboard_route": None,
        "tls_cert": None,
        "tls_key": None,
    }


def full_report(record: SpawnRecord, *, ticket: str | None) -> dict[str, Any]:
    """Return the report of a running cluster for its owner: with a new certificate, and the way to its dashboard.

    Args:
        record: The cluster's.
        ticket: For the dashboard; None where there are none.

    """
    credentials = client_credentials(record)
    return {
        **report(record),
        "dashboard_route": f"/clusters/{record.key.name}/{ticket}/status" if ticket else None,
        "tls_cert": credentials.cert if credentials else None,
        "tls_key": credentials.key if credentials else None,
    }


def client_credentials(record: SpawnRecord) -> Credentials | None:
    """Return new credentials for a client of a cluster; None where it has no authority of its own."""
    kept = record.secrets.get(AUTHORITY)
    if kept is None:
        return None
    authority = Authority.load(kept)
    issued = authority.issue("client", CLIENT_DAYS)
    return Credentials(f"{issued.certificate.rstrip()}\n{authority.certificate}", issued.key)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
