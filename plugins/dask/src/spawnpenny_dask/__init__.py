"""Dask clusters: a scheduler pod, worker pods, and their credentials."""

from __future__ import annotations

from collections.abc import Iterator

from spawnpenny.api import (
    ChartMigration,
    ClusterOption,
    Kind,
    Manifest,
    OptionSource,
    PlannedSpawn,
    Settings,
    Step,
    WorkerGroup,
    hookimpl,
)
from spawnpenny.api.http import KindSpawns, PluginGauge, Route, SpawnsHere
from spawnpenny_dask.gateway.handlers import GatewayHandlers
from spawnpenny_dask.gateway.routes import gateway_routes
from spawnpenny_dask.gauges import cluster_gauges
from spawnpenny_dask.kind import DASK
from spawnpenny_dask.lab_environment import lab_patch
from spawnpenny_dask.migration.chart import gateway_migration
from spawnpenny_dask.rest.clusters import Clusters
from spawnpenny_dask.rest.handlers import ClusterHandlers
from spawnpenny_dask.rest.routes import cluster_routes
from spawnpenny_dask.settings import DaskSettingsSchema
from spawnpenny_dask.settings_notes import settings_notes
from spawnpenny_dask.steps import CredentialsStep, SchedulerStep, WorkersStep


@hookimpl
def spawnpenny_kinds() -> list[Kind]:
    return [
        Kind(
            DASK,
            "dask",
            "Dask cluster",
            scales=True,
            ends_with_lab=True,
            follows_pods=True,
            minimum=1,
            options=OptionSource.CLUSTER,
            hub_service="dask-gateway",
            name_field="cluster",
            unique_names=True,
        )
    ]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    ours = settings.load("dask", DaskSettingsSchema())
    allowed = settings.pods.allow
    return [CredentialsStep(ours), SchedulerStep(ours, allowed), WorkersStep(ours, allowed)]


@hookimpl
def spawnpenny_cluster_options(kind: str, settings: Settings) -> list[ClusterOption]:
    return settings.load("dask", DaskSettingsSchema()).offered() if kind == DASK else []


@hookimpl
def spawnpenny_worker_groups(kind: str, settings: Settings) -> list[WorkerGroup]:
    return settings.load("dask", DaskSettingsSchema()).groups() if kind == DASK else []


@hookimpl
def spawnpenny_notes(settings: Settings) -> list[str]:
    return [*settings_notes(settings)]


@hookimpl
def spawnpenny_chart_migrations() -> list[ChartMigration]:
    return [gateway_migration()]


@hookimpl
def spawnpenny_routes(settings: Settings, spawns: KindSpawns) -> list[Route]:
    clusters = Clusters(spawns)
    gateway = GatewayHandlers(clusters, settings)
    return [*cluster_routes(ClusterHandlers(clusters), gateway), *gateway_routes(gateway)]


@hookimpl
def spawnpenny_gauges(spawns: SpawnsHere) -> Iterator[PluginGauge]:
    return cluster_gauges(spawns, spawns.worker_groups(DASK))


@hookimpl
def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    return lab_patch(spawn, pod, settings)
