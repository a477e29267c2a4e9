"""The workers of one Dask cluster: their states, and why some do not run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from marshmallow import Schema, fields, validate

from spawnpenny.api import DEFAULT_GROUP, WORKER_GROUP, Phase, pod_ending, pod_is_ready, pod_trouble
from spawnpenny.api.http import (
    NoQuerySchema,
    ReasonView,
    advice,
    described,
    pod_has_started,
    pod_has_succeeded,
    pod_is_deleted,
    pod_is_over,
    query_of,
)
from spawnpenny_dask.kind import DASK
from spawnpenny_dask.rest.schemas import WaitingView
from spawnpenny_dask.rest.worker_counts import desired_workers, worker_pods

if TYPE_CHECKING:
    from spawnpenny.api import Manifest, SpawnpennyError, WorkerGroup
    from spawnpenny.api.http import EndedPart, SpawnState
    from spawnpenny_dask.rest.clusters import Clusters

_PHASES = (Phase.PENDING, Phase.RUNNING, Phase.STOPPING, Phase.EXITED, Phase.FAILED)
_NOT_PLACED = "Kubernetes has not found a machine for it yet."
_PREPARED = "Its machine prepares it: it fetches the image, or mounts a volume."
_STARTED = "Its program has started, and does not answer yet."


class WorkerView(Schema):
    """A worker."""

    name = fields.String(required=True, metadata=described("The name of its pod, also at the scheduler."))
    group = fields.String(required=True, metadata=described("The worker group that it belongs to."))
    phase = fields.String(
        required=True,
        validate=validate.OneOf([*_PHASES]),
        metadata=described("`exited` if its program ended with exit code 0, `failed` if it ended otherwise."),
    )
    since = fields.Float(required=True, metadata=described("When this phase began, in seconds since the epoch."))
    node = fields.String(required=True, allow_none=True, metadata=described("The machine that it runs on."))
    waiting_for = fields.Nested(
        WaitingView, required=True, allow_none=True, metadata=described("Why it does not run yet.")
    )
    reason = fields.Nested(ReasonView, required=True, allow_none=True, metadata=described("Why it ended, if it has."))


class MissingView(Schema):
    """The desired workers that have no pod yet."""

    count = fields.Integer(required=True)
    waiting_for = fields.Nested(
        WaitingView,
        required=True,
        allow_none=True,
        metadata=described("Why they are not created now, if that is known."),
    )
    retry_at = fields.Float(
        required=True, allow_none=True, metadata=described("When the service tries again, in seconds since the epoch.")
    )


class ClusterWorkersView(Schema):
    workers = fields.List(fields.Nested(WorkerView), required=True)
    missing = fields.Nested(MissingView, required=True)


async def list_workers(request: web.Request, clusters: Clusters) -> web.Response:
    """List the workers of a cluster: the existing ones by name, then the last ones that ended."""
    query_of(request, NoQuerySchema())
    spawn = clusters.find(request)
    pods = worker_pods(clusters.spawns.pods(request).get(spawn.id, ()))
    existing = {pod["metadata"]["uid"] for pod in pods}
    workers = [_worker_view(pod) for pod in sorted(pods, key=_name)]
    workers += [_ended_view(ended) for ended in spawn.ended_parts if ended.pod["metadata"]["uid"] not in existing]
    missing = _missing(spawn, pods, clusters.spawns.worker_groups(request, DASK))
    return web.json_response({"workers": workers, "missing": missing})


def _worker_view(pod: Manifest) -> dict[str, Any]:
    over = pod_is_over(pod)
    ready = pod_is_ready(pod)
    deleted = pod_is_deleted(pod)
    phase = _end_of(pod) if over else Phase.STOPPING if deleted else Phase.RUNNING if ready else Phase.PENDING
    metadata, status = pod["metadata"], pod.get("status", {})
    began = _time(metadata.get("creationTimestamp"))
    since = {
        Phase.RUNNING: _condition_time(status, "Ready"),
        Phase.STOPPING: _time(metadata.get("deletionTimestamp")),
    }.get(phase, began)
    return {
        "name": metadata["name"],
        "group": _group(pod),
        "phase": phase,
        "since": since or began or time.time(),
        "node": pod.get("spec", {}).get("nodeName"),
        "waiting_for": _waiting(pod) if phase is Phase.PENDING else None,
        "reason": _reason(pod_ending(pod, quote=None)) if over else None,
    }


def _ended_view(ended: EndedPart) -> dict[str, Any]:
    return {**_worker_view(ended.pod), "since": ended.at}


def _end_of(pod: Manifest) -> Phase:
    return Phase.EXITED if pod_has_succeeded(pod) else Phase.FAILED


def _waiting(pod: Manifest) -> dict[str, Any]:
    if (trouble := pod_trouble(pod, quote=None)) is not None:
        return {"code": trouble.code, "message": trouble.error.message}
    if not pod.get("spec", {}).get("nodeName"):
        return {"code": None, "message": _NOT_PLACED}
    return {"code": None, "message": _STARTED if pod_has_started(pod) else _PREPARED}


def _missing(spawn: SpawnState, pods: Iterable[Manifest], groups: Iterable[WorkerGroup]) -> dict[str, Any]:
    held = spawn.held_back
    here = Counter(_group(pod) for pod in pods if not pod_is_over(pod) and not pod_is_deleted(pod))
    count = sum(max(0, desired - here[name]) for name, desired in desired_workers(spawn, groups).items())
    if not count:
        return {"count": 0, "waiting_for": None, "retry_at": None}
    if held is None:
        waiting = None if spawn.phase is Phase.RUNNING else {"code": None, "message": "The scheduler does not run yet."}
        return {"count": count, "waiting_for": waiting, "retry_at": None}
    waiting = {"code": held.code, "message": held.message}
    return {"count": count, "waiting_for": waiting, "retry_at": held.until}


def _reason(error: SpawnpennyError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "advice": error.advice or advice(error.code),
        "exit_code": error.facts.get("exit_code"),
    }


def _group(pod: Manifest) -> str:
    group: str = pod["metadata"].get("labels", {}).get(WORKER_GROUP, DEFAULT_GROUP)
    return group


def _name(pod: Manifest) -> str:
    name: str = pod["metadata"]["name"]
    return name


def _condition_time(status: Manifest, kind: str) -> float | None:
    times = (
        condition.get("lastTransitionTime")
        for condition in status.get("conditions") or ()
        if condition.get("type") == kind
    )
    return _time(next(times, None))


def _time(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return None
