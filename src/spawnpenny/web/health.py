"""Liveness, readiness and metrics of the service."""

from __future__ import annotations

from aiohttp import web
from marshmallow import Schema, fields
from prometheus_client import CONTENT_TYPE_LATEST

from spawnpenny.errors import NotReadyError
from spawnpenny.service import Service
from spawnpenny.web.app_keys import METRICS, SERVICE


class HealthView(Schema):
    status = fields.String(required=True)


class ReadyView(HealthView):
    skipped = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={
            "description": "How many records, pods and the like cannot be understood at present, by kind; "
            "the log names them."
        },
    )


async def get_healthz(request: web.Request) -> web.Response:
    """Answer 200 unless only a restart can help; what the service depends on is the business of ``readyz``."""
    service = request.app.get(SERVICE)
    if service is not None and (reason := _ailing(service)):
        raise NotReadyError(reason)
    return web.json_response({"status": "ok"})


async def get_readyz(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    if not service.spawns.ready:
        raise NotReadyError
    if not service.membership.heartbeat.fence.is_open:
        raise NotReadyError(
            "This replica could not renew its Lease, so it may not write; another one may have its users."
        )
    if unwell := service.supervisor.unwell():
        raise NotReadyError(f"Some tasks of this replica failed and are being restarted: {', '.join(unwell)}.")
    skipped = dict(service.supervisor.faults.present())
    if refused := len(service.spawns.unknown()):
        skipped["record"] = refused
    return web.json_response({"status": "ready", "skipped": skipped} if skipped else {"status": "ready"})


async def get_metrics(request: web.Request) -> web.Response:
    """Answer also before the service is ready: that it is not is one of the metrics."""
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _ailing(service: Service) -> str:
    """Return why a restart is called for, or nothing."""
    if hopeless := service.supervisor.hopeless():
        return f"Some tasks of this replica keep failing: {', '.join(hopeless)}."
    if service.spawns.ready and service.fence_watch.is_hopeless:
        return "This replica has not been able to renew its Lease for long, though the cluster answers."
    return ""
