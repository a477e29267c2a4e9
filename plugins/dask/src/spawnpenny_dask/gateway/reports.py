"""Reports in dask-gateway's form: clusters, their status, and the options that a site offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.api import AUTHORITY, Authority, ClusterOption, OptionType, Phase

if TYPE_CHECKING:
    from spawnpenny.api.http import Reason, SpawnState


CLIENT_DAYS: Final = 30
"""The days for which the key in a report is valid. Each report has a new key."""
_INTENDED: Final = frozenset({"cluster_idle", "cluster_alone", "cluster_lifetime", "cluster_lab_gone"})
"""Reasons of a cluster that ended as the settings have it."""
_FAR: Final = 1e9


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client's own certificate, followed by the authority's, and its key, as PEM."""

    cert: str
    key: str


def report(spawn: SpawnState) -> dict[str, Any]:
    """Return the report of a cluster for lists, without credentials.

    The keys are exactly those of dask-gateway: a further one breaks its client.
    """
    return {
        "name": spawn.key.name,
        "status": status_of(spawn.phase, spawn.reason),
        "start_time": _milliseconds(spawn.requested_at),
        "stop_time": None if spawn.ended_at is None else _milliseconds(spawn.ended_at),
        "options": spawn.options,
        "dashboard_route": None,
        "tls_cert": None,
        "tls_key": None,
    }


def full_report(spawn: SpawnState, *, ticket: str | None) -> dict[str, Any]:
    """Return the report of a running cluster for its user, with a new certificate and the path of its dashboard.

    Args:
        spawn: The cluster.
        ticket: The ticket for the dashboard; None if browsers reach no dashboards.

    """
    credentials = client_credentials(spawn)
    return {
        **report(spawn),
        "dashboard_route": f"/clusters/{spawn.key.name}/{ticket}/status" if ticket else None,
        "tls_cert": credentials.cert if credentials else None,
        "tls_key": credentials.key if credentials else None,
    }


def client_credentials(spawn: SpawnState) -> Credentials | None:
    """Return new credentials for a client of a cluster; None if the cluster has no authority of its own."""
    kept = spawn.secrets.get(AUTHORITY)
    if kept is None:
        return None
    authority = Authority.load(kept)
    issued = authority.issue("client", CLIENT_DAYS)
    return Credentials(f"{issued.certificate.rstrip()}\n{authority.certificate}", issued.key)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


class Status(StrEnum):
    """A cluster's status, as the protocol writes it."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"


ACTIVE: Final = frozenset({Status.PENDING, Status.RUNNING})
"""The statuses that a list has by default."""
_OF: Final[Mapping[Phase, Status]] = {
    Phase.REQUESTED: Status.PENDING,
    Phase.PENDING: Status.PENDING,
    Phase.RUNNING: Status.RUNNING,
    Phase.STOPPING: Status.STOPPING,
    Phase.UNDOING: Status.FAILED,
    Phase.FAILED: Status.FAILED,
    Phase.EXITED: Status.FAILED,
    Phase.SUCCEEDED: Status.STOPPED,
}


def status_of(phase: Phase, reason: Reason | None) -> Status:
    """Return the status of a cluster, by its phase and the reason of its end."""
    if phase is Phase.EXITED and reason is not None and reason.code in _INTENDED:
        return Status.STOPPED
    return _OF[phase]


def field_of(option: ClusterOption) -> dict[str, Any]:
    """Return a cluster option as a field of dask-gateway. Its client accepts further keys, but not within ``spec``."""
    return {
        "field": option.name,
        "label": option.label or option.name,
        "default": option.default,
        "spec": {"type": option.type, **_bounds(option)},
        "description": option.description,
        **({"unit": option.unit} if option.unit else {}),
    }


def _bounds(option: ClusterOption) -> dict[str, Any]:
    match option.type:
        case OptionType.INT | OptionType.FLOAT:
            return _range(option)
        case OptionType.SELECT:
            return {"options": list(option.choices)}
        case _:
            return {}


def _range(option: ClusterOption) -> dict[str, Any]:
    """Return both bounds or none: the client's form would show a single missing one as infinity."""
    if option.minimum is None and option.maximum is None:
        return {"min": None, "max": None}
    bounds = (-_FAR if option.minimum is None else option.minimum, _FAR if option.maximum is None else option.maximum)
    least, most = (int(bound) if option.type is OptionType.INT else bound for bound in bounds)
    return {"min": least, "max": most}
