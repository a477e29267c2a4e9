"""The manifest of a worker's pod."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from spawnpenny.api import (
    CONTROL_PORT_NAME,
    DEFAULT_GROUP,
    PART,
    WORKER,
    WORKER_GROUP,
    Manifest,
    PlannedSpawn,
    expand_all,
)
from spawnpenny_dask.design import Design
from spawnpenny_dask.pod_manifest import CONTROL_PORT, JOIN_TOKEN, POD_IP, PodManifest, launched
from spawnpenny_dask.roles import WorkerRole
from spawnpenny_dask.settings import DaskSettings

DEATH_TIMEOUT: Final = 60
AWAITS_SCHEDULER: Final = "spawnpenny.io/awaits-scheduler"
"""The annotation of workers that wait until the service sends them the scheduler's address."""
_OF_WORKERS: Final = {
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Variables that a nanny sets for its worker (``distributed.nanny.pre-spawn-environ``); others need them from us."""


def worker_pod(
    spawn: PlannedSpawn,
    design: Design,
    settings: DaskSettings,
    allowed: Collection[str] = (),
    *,
    name: str,
    scheduler: str | None,
    group: str = DEFAULT_GROUP,
) -> Manifest:
    """Return the pod of a worker, by its name, for the scheduler at an address (``tls://host:port``).

    Without an address the worker waits for it: see ``can_wait``.
    """
    design = design.of(group)
    role = design.worker
    arguments = [
        *(role.program or launched("dask_worker")),
        *((scheduler,) if scheduler else ()),
        *("--host", POD_IP, "--name", name),
        *("--nthreads", str(role.nthreads), "--memory-limit", str(role.memory_limit)),
        *(() if role.program else ("--nanny" if role.nanny else "--no-nanny", "--no-dashboard")),
        *("--dashboard-address", f"{POD_IP}:0", "--death-timeout", str(DEATH_TIMEOUT)),
        *(("--worker-class", role.worker_class) if role.worker_class else ()),
        *(("--resources", _resources(role)) if role.resources else ()),
        *expand_all(role.args, spawn.fields),
    ]
    variables = [{"name": key, "value": value} for key, value in _OF_WORKERS.items()] if not role.nanny else []
    pod = PodManifest(spawn, design, settings, WORKER, role, allowed, further_files=() if scheduler else (JOIN_TOKEN,))
    # A command of the site, and Dask clients in tasks, find the scheduler by the first variable.
    known = {"DASK_SCHEDULER_ADDRESS": scheduler} if scheduler else {"SPAWNPENNY_AWAITS_SCHEDULER": "True"}
    ours = {**known, "SPAWNPENNY_WORKER_NAME": name, "SPAWNPENNY_GRACE": str(pod.grace)}
    container: Manifest = {"args": arguments, "terminationMessagePolicy": "FallbackToLogsOnError"}
    if not scheduler:
        container["ports"] = [{"name": CONTROL_PORT_NAME, "containerPort": CONTROL_PORT}]
    annotations = {} if scheduler else {AWAITS_SCHEDULER: "true"}
    manifest = pod.manifest(name, container, variables=variables, ours=ours, annotations=annotations)
    manifest["metadata"]["labels"] |= {PART: WORKER, **({WORKER_GROUP: group} if group != DEFAULT_GROUP else {})}
    return manifest


def can_wait(role: WorkerRole) -> bool:
    """Return whether a worker can start before its scheduler has an address, which our launcher does."""
    return not role.program and not {"command", "args"} & role.extra_container_config.keys()


def awaits_scheduler(pod: Manifest) -> bool:
    """Return whether a worker waits for its scheduler's address."""
    return AWAITS_SCHEDULER in (pod["metadata"].get("annotations") or {})


def _resources(role: WorkerRole) -> str:
    return " ".join(f"{name}={amount:g}" for name, amount in role.resources.items())
