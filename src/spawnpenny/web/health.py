"""Liveness, readiness and metrics of the service."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from marshmallow import Schema, fields
from prometheus_client import CONTENT_TYPE_LATEST

from spawnpenny.errors import NotReadyError
from spawnpenny.service import Service
from spawnpenny.web.app_keys import METRICS, SERVICE
from spawnpenny.web.middleware import authorize
from spawnpenny.web.route import Answer, route


class HealthView(Schema):
    """The health of the service."""

    status = fields.String(required=True)


class ReadyView(HealthView):
    skipped = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={
            "description": "The number of records, pods and other objects that cannot be read now, by kind. "
            "The log names them."
        },
    )


@route(
    "GET",
    "/healthz",
    authorize.PUBLIC,
    "service.healthz",
    "Check that the service is alive: it fails only if a restart can help.",
    {200: Answer("The service is alive.", HealthView)},
    refusals={503: ("not_ready",)},
)
async def get_healthz(request: web.Request) -> web.Response:
    """Answer 200 unless a restart can help. ``readyz`` checks what the service depends on."""
    service = request.app.get(SERVICE)
    if service is not None and (reason := _why_restart(service)):
        raise NotReadyError(reason)
    return web.json_response({"status": "ok"})


@route(
    "GET",
    "/readyz",
    authorize.PUBLIC,
    "service.readyz",
    "Check that the service is ready: it knows the state of the cluster, may write, and all its tasks run.",
    {200: Answer("The service is ready.", ReadyView)},
    refusals={503: ("not_ready",)},
)
async def get_readyz(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    if not service.spawns.ready:
        raise NotReadyError
    if not service.membership.heartbeat.fence.is_open:
        raise NotReadyError(
            "This replica could not renew its Lease, so it may not write. Another replica may own its users now."
        )
    if unwell := service.supervisor.unwell():
        raise NotReadyError(f"Some tasks of this replica failed and are being restarted: {', '.join(unwell)}.")
    skipped = dict(service.supervisor.faults.present())
    if refused := len(service.spawns.unknown()):
        skipped["record"] = refused
    return web.json_response({"status": "ready", "skipped": skipped} if skipped else {"status": "ready"})


@route(
    "GET",
    "/metrics",
    authorize.PUBLIC,
    "service.metrics",
    "Read the metrics of the service. The route exists only with the setting `web.metrics`.",
    {200: Answer("The text format of Prometheus.", "text/plain")},
)
async def get_metrics(request: web.Request) -> web.Response:
    """Answer also before the service is ready: readiness is one of the metrics."""
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES: Final = (get_healthz, get_readyz)


def _why_restart(service: Service) -> str:
    """Return why the service needs a restart; empty if it does not."""
    if hopeless := service.supervisor.hopeless():
        return f"Some tasks of this replica keep failing: {', '.join(hopeless)}."
    if service.spawns.ready and service.fence_watch.is_hopeless:
        return "This replica has failed to renew its Lease for a long time, although the cluster answers."
    return ""
