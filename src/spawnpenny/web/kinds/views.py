"""Answers about spawns of any kind."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.names import Names
from spawnpenny.domain.quantities import format_quantity
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawn_status import SpawnStatus
from spawnpenny.domain.spawns import Phase, Scale
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.spawns.workers import count_workers, most_frequent_trouble, pods_by_spawn
from spawnpenny.web.schemas.responses import spawn_view

if TYPE_CHECKING:
    from spawnpenny.service import Service
    from spawnpenny.spawns.active import ActiveSpawn

Viewer = Callable[["ActiveSpawn"], dict[str, Any]]


def viewer(service: Service, kind: Kind, username: str) -> Viewer:
    """Return a function that makes the answers about a user's spawns of a kind, from the user's present pods."""
    names = Names.of(username, kind.name, "", prefix=service.settings.namespaces.prefix)
    pods = pods_by_spawn(service.service_context.pods.within(names.namespace))
    return lambda run: _view(kind, username, run, pods[run.record.id])


def scale_view(scale: Scale) -> dict[str, Any]:
    return {name: value for name, value in asdict(scale).items() if name != "groups"}


def _view(kind: Kind, username: str, run: ActiveSpawn, pods: Sequence[Manifest]) -> dict[str, Any]:
    record = run.record
    used = record.resources if record.active else Resources()
    workers = {
        "scale": scale_view(record.scale),
        "workers": count_workers(pods).to_json(),
        "idle_since": record.idle_since if record.phase is Phase.RUNNING else None,
    }
    return {
        "kind": kind.name,
        "start": record.request.start,
        **spawn_view(username, run),
        "by": record.started_by,
        "client": record.request.client or None,
        "lab": record.request.caller.lab if record.request.caller else None,
        "options": record.request.options,
        "resources": {"cpu": format_quantity(used.cpu), "memory": format_quantity(used.memory)},
        **(workers if kind.scales else {}),
        "waiting_for": _waiting_for(run, pods),
        "details": _details(kind, username, run, pods),
        kind.name_field: record.key.name,
    }


def _waiting_for(run: ActiveSpawn, pods: Sequence[Manifest]) -> dict[str, Any] | None:
    if run.record.phase.over:
        return None
    if (trouble := most_frequent_trouble(pods)) is not None:
        return {"code": trouble[0], "message": trouble[1]}
    held = run.held_back
    return {"code": held.code, "message": held.message} if held else None


def _details(kind: Kind, username: str, run: ActiveSpawn, pods: Sequence[Manifest]) -> Mapping[str, Any]:
    """Return what the plugin adds to an answer; nothing if its function fails. Secrets are replaced in its texts."""
    if kind.details is None:
        return {}
    record = run.record
    status = SpawnStatus(
        user=username,
        name=record.key.name,
        id=record.id,
        phase=record.phase,
        options=dict(record.request.options),
        scale=record.scale,
        url=record.url,
        state=dict(record.state),
    )
    scrub = partial(run.scrubbed, username=username)
    try:
        details = kind.details(status, pods)
        if not isinstance(details, Mapping):
            raise TypeError("the details are no mapping")  # noqa: TRY301 - logged as any other fault of the plugin
        shown: dict[str, Any] = _mapped(json.loads(json.dumps(dict(details), allow_nan=False)), scrub)
    except Exception:  # noqa: BLE001 - the answer goes without them
        log = structlog.get_logger("spawnpenny.web")
        fault = scrub(traceback.format_exc())
        log.warning("the details of a spawn cannot be shown", kind=kind.name, spawn=record.id, exception=fault)
        return {}
    return shown


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON with all its texts changed, at any depth, also those that are names of members."""
    match value:
        case str():
            return change(value)
        case list():
            return [_mapped(item, change) for item in value]
        case dict():
            return {change(name): _mapped(item, change) for name, item in value.items()}
        case _:
            return value
