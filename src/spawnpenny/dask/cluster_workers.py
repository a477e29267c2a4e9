"""The workers of one Dask cluster: their states, and why some do not run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from marshmallow import Schema, fields, validate

from spawnpenny.advice import advice
from spawnpenny.dask.rest import find_cluster
from spawnpenny.dask.rest_schemas import WaitingView
from spawnpenny.dask.workers import desired_workers, worker_pods
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import DEFAULT_GROUP, Phase
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.request_parsing import query_of, user_of
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.schemas.responses import ReasonView, described

if TYPE_CHECKING:
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.errors import SpawnpennyError
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.spawns.active import ActiveSpawn, EndedPart

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


async def list_workers(request: web.Request) -> web.Response:
    """List the workers of a cluster: the existing ones by name, then the last ones that ended."""
    query_of(request, NoQuerySchema())
    run = find_cluster(request)
    service, username = request.app[SERVICE], user_of(request)
    pods = [pod for spawn, pod in worker_pods(service, username) if spawn == run.record.id]
    existing = {pod["metadata"]["uid"] for pod in pods}
    workers = [_worker_view(pod) for pod in sorted(pods, key=_name)]
    workers += [_ended_view(ended) for ended in run.ended_parts if ended.pod["metadata"]["uid"] not in existing]
    return web.json_response({"workers": workers, "missing": _missing(run, pods, service.plugins.worker_groups())})


def _worker_view(pod: Manifest) -> dict[str, Any]:
    over = pod_status.is_over(pod)
    ready = pod_status.is_ready(pod)
    deleted = pod_status.is_deleted(pod)
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
        "reason": _reason(pod_status.ending(pod, quote=None)) if over else None,
    }


def _ended_view(ended: EndedPart) -> dict[str, Any]:
    return {**_worker_view(ended.pod), "since": ended.at}


def _end_of(pod: Manifest) -> Phase:
    return Phase.EXITED if pod_status.has_succeeded(pod) else Phase.FAILED


def _waiting(pod: Manifest) -> dict[str, Any]:
    if (trouble := pod_status.trouble(pod, quote=None)) is not None:
        return {"code": trouble.code, "message": trouble.error.message}
    if not pod.get("spec", {}).get("nodeName"):
        return {"code": None, "message": _NOT_PLACED}
    return {"code": None, "message": _STARTED if pod_status.has_started(pod) else _PREPARED}


def _missing(run: ActiveSpawn, pods: Iterable[Manifest], groups: Iterable[WorkerGroup]) -> dict[str, Any]:
    record, held = run.record, run.held_back
    here = Counter(_group(pod) for pod in pods if not pod_status.is_over(pod) and not pod_status.is_deleted(pod))
    count = sum(max(0, desired - here[name]) for name, desired in desired_workers(record, groups).items())
    if not count:
        return {"count": 0, "waiting_for": None, "retry_at": None}
    if held is None:
        waiting = (
            None if record.phase is Phase.RUNNING else {"code": None, "message": "The scheduler does not run yet."}
        )
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
    group: str = pod["metadata"].get("labels", {}).get(labels.WORKER_GROUP, DEFAULT_GROUP)
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
