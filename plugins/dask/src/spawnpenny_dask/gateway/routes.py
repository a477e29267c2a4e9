"""Routes of the gateway protocol. The trailing slashes are those of dask-gateway's client, and matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.api.http import OWN_SPAWNS, PUBLIC, Access, Answer, HealthView, Route
from spawnpenny_dask.gateway.dialect import GatewayDialect
from spawnpenny_dask.gateway.errors import PREFIX
from spawnpenny_dask.gateway.handlers import GatewayHandlers
from spawnpenny_dask.gateway.schemas import (
    AdaptBody,
    ClusterOptionsView,
    ClusterQuerySchema,
    ClustersQuerySchema,
    GatewayErrorView,
    GatewayVersionView,
    ReportView,
    ScaledView,
    ScaleToBody,
    StartedClusterView,
    StartOfClusterBody,
    StartQuerySchema,
)

_API: Final = f"{PREFIX}/api"
_CLUSTERS: Final = f"{_API}/v1/clusters/"
_CLUSTER: Final = f"{_CLUSTERS}{{cluster}}"
_COMMON: Final = {
    401: Answer("The credentials are missing or unknown.", GatewayErrorView),
    409: Answer("The credentials do not allow it.", GatewayErrorView),
    422: Answer("The request is not valid.", GatewayErrorView),
    500: Answer("The service cannot do it now.", GatewayErrorView),
}
_UNKNOWN: Final = {404: Answer("The user has no such cluster.", GatewayErrorView)}
_SCALED: Final = {
    200: Answer("The scale is durable. It was cut to what fits.", ScaledView),
    **_COMMON,
    **_UNKNOWN,
    409: Answer("The cluster has failed or ended, or is being stopped.", GatewayErrorView),
}


def scaling_routes(
    handlers: GatewayHandlers, cluster: str, area: str, access: Access, answers: Mapping[int, Answer], **more: Any
) -> tuple[Route, Route]:
    """Return the routes that scale the cluster at a path. Their names begin with ``area``."""
    return (
        Route(
            "POST",
            f"{cluster}/scale",
            handlers.scale,
            access,
            f"{area}.scale",
            "Scale a Dask cluster to so many workers.",
            answers,
            body=ScaleToBody,
            **more,
        ),
        Route(
            "POST",
            f"{cluster}/adapt",
            handlers.adapt,
            access,
            f"{area}.adapt",
            "Scale a Dask cluster with its work.",
            answers,
            body=AdaptBody,
            **more,
        ),
    )


def gateway_routes(handlers: GatewayHandlers) -> list[Route]:
    """Return the routes of the gateway protocol."""
    dialect = GatewayDialect()
    return [
        Route(
            "GET",
            f"{_API}/version",
            handlers.get_version,
            PUBLIC,
            "gateway.version",
            "The version of spawnpenny.",
            {200: Answer("The version.", GatewayVersionView)},
            dialect=dialect,
        ),
        Route(
            "GET",
            f"{_API}/health",
            handlers.get_health,
            PUBLIC,
            "gateway.health",
            "The health of the gateway.",
            {
                200: Answer("Pass: the service knows the state of Kubernetes.", HealthView),
                503: Answer("Fail: it does not know it yet.", HealthView),
            },
            dialect=dialect,
        ),
        Route(
            "GET",
            f"{_API}/v1/options",
            handlers.get_options,
            OWN_SPAWNS,
            "gateway.options",
            "The options of Dask clusters.",
            {200: Answer("All options.", ClusterOptionsView), **_COMMON},
            dialect=dialect,
        ),
        Route(
            "GET",
            _CLUSTERS,
            handlers.list_reports,
            OWN_SPAWNS,
            "gateway.list",
            "The caller's own Dask clusters.",
            {
                200: Answer("Their reports by name, without credentials.", "application/json"),
                **_COMMON,
            },
            query=ClustersQuerySchema,
            dialect=dialect,
        ),
        Route(
            "POST",
            _CLUSTERS,
            handlers.start,
            OWN_SPAWNS,
            "gateway.start",
            "Start a Dask cluster. A repeated `start` names the same cluster.",
            {
                201: Answer("Accepted: the request is durable.", StartedClusterView),
                **_COMMON,
                409: Answer(
                    "The cluster does not fit the quota, is not allowed, or there are too many.", GatewayErrorView
                ),
            },
            query=StartQuerySchema,
            body=StartOfClusterBody,
            dialect=dialect,
        ),
        Route(
            "GET",
            _CLUSTER,
            handlers.get_report,
            OWN_SPAWNS,
            "gateway.get",
            "The status of a Dask cluster, and how to connect to it.",
            {
                200: Answer("The cluster.", ReportView),
                **_COMMON,
                **_UNKNOWN,
                409: Answer(
                    "A request that waits: why the cluster has failed or ended, or is stopping.", GatewayErrorView
                ),
            },
            query=ClusterQuerySchema,
            dialect=dialect,
        ),
        Route(
            "DELETE",
            _CLUSTER,
            handlers.stop,
            OWN_SPAWNS,
            "gateway.stop",
            "Stop a Dask cluster.",
            {204: Answer("The cluster is being stopped, or does not exist."), **_COMMON},
            dialect=dialect,
        ),
        *scaling_routes(handlers, _CLUSTER, "gateway", OWN_SPAWNS, _SCALED, dialect=dialect),
    ]
