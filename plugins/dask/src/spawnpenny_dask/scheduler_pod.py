"""The manifest of a scheduler's pod."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from spawnpenny.api import (
    CONTROL_PORT_NAME,
    DASHBOARD_PORT_NAME,
    SCHEDULER,
    SCHEDULER_PORT_NAME,
    Manifest,
    PlannedSpawn,
    expand_all,
)
from spawnpenny_dask.design import Design
from spawnpenny_dask.pod_manifest import CONTROL_PORT, FILES, POD_IP, PRELOADS, PodManifest, launched, pod_host
from spawnpenny_dask.roles import WorkerRole
from spawnpenny_dask.settings import DaskSettings

SCHEDULER_PORT: Final = 8786
DASHBOARD_PORT: Final = 8787
_ROUTES: Final = ("prometheus", "info", "json")
"""The scheduler's own HTTP routes, without ``api``, by which anybody could retire workers."""


def scheduler_pod(
    spawn: PlannedSpawn, design: Design, settings: DaskSettings, allowed: Collection[str] = ()
) -> Manifest:
    """Return the scheduler's pod. It is ready when the scheduler accepts connections.

    ``allowed`` is the setting ``pods.allow``.
    """
    role = design.scheduler
    preloads = [part for file in PRELOADS[SCHEDULER] for part in ("--preload", f"{FILES}/{file}")]
    arguments = [
        *([*role.program, *preloads] if role.program else launched("dask_scheduler")),
        *("--protocol", "tls", "--host", POD_IP, "--port", str(SCHEDULER_PORT)),
        *("--no-dashboard", "--dashboard-address", f"{POD_IP}:{DASHBOARD_PORT}"),  # a preload adds it later
        *expand_all(role.args, spawn.fields),
    ]
    container: Manifest = {
        "args": arguments,
        "terminationMessagePolicy": "FallbackToLogsOnError",  # shows why an image without distributed fails
        "ports": [
            {"name": SCHEDULER_PORT_NAME, "containerPort": SCHEDULER_PORT},
            {"name": DASHBOARD_PORT_NAME, "containerPort": DASHBOARD_PORT},
            {"name": CONTROL_PORT_NAME, "containerPort": CONTROL_PORT},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/health", "port": CONTROL_PORT_NAME},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
    }
    routes = [*(f"distributed.http.scheduler.{route}" for route in _ROUTES), "distributed.http.health"]
    ours = {
        "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": repr([*routes, "distributed.http.statics"]),
        "SPAWNPENNY_NANNY": str(any(_may_have_nanny(design.of(group).worker) for group in design.group_names)),
    }
    pod = PodManifest(spawn, design, settings, SCHEDULER, role, allowed)
    # An autoscaler that moves a scheduler ends the cluster.
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    return pod.manifest(spawn.names.base, container, variables=[], ours=ours, annotations=annotations)


def _may_have_nanny(role: WorkerRole) -> bool:
    """Return whether workers may have a nanny. A program of the site's own may start one."""
    return role.nanny or bool(role.program)


def scheduler_url(pod: Manifest) -> str:
    """Return the URL of a scheduler from its pod, which has an address."""
    return f"tls://{pod_host(pod)}:{SCHEDULER_PORT}"
