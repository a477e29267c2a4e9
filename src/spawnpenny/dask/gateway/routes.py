"""Routes of the gateway protocol. The trailing slashes are those of dask-gateway's client, and matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.dask.gateway.errors import PREFIX
from spawnpenny.dask.gateway.handlers import (
    adapt_cluster,
    end_cluster,
    get_health,
    get_options,
    get_report,
    get_version,
    list_reports,
    scale_cluster,
    start_cluster,
)
from spawnpenny.dask.gateway.schemas import (
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
from spawnpenny.web.health import HealthView
from spawnpenny.web.middleware import authorize
from spawnpenny.web.middleware.authorize import Access
from spawnpenny.web.route import Answer, Route

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
    cluster: str, area: str, access: Access, answers: Mapping[int, Answer], **more: Any
) -> tuple[Route, Route]:
    """Return the routes that scale the cluster at a path. Their names begin with ``area``."""
    return (
        Route(
            "POST",
            f"{cluster}/scale",
            scale_cluster,
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
            adapt_cluster,
            access,
            f"{area}.adapt",
            "Scale a Dask cluster with its work.",
            answers,
            body=AdaptBody,
            **more,
        ),
    )


GATEWAY: Final = (
    Route(
        "GET",
        f"{_API}/version",
        get_version,
        authorize.PUBLIC,
        "gateway.version",
        "The version of spawnpenny.",
        {200: Answer("The version.", GatewayVersionView)},
        problems=False,
    ),
    Route(
        "GET",
        f"{_API}/health",
        get_health,
        authorize.PUBLIC,
        "gateway.health",
        "The health of the gateway.",
        {
            200: Answer("Pass: the service knows the state of Kubernetes.", HealthView),
            503: Answer("Fail: it does not know it yet.", HealthView),
        },
        problems=False,
    ),
    Route(
        "GET",
        f"{_API}/v1/options",
        get_options,
        authorize.GATEWAY,
        "gateway.options",
        "The options of Dask clusters.",
        {200: Answer("All options.", ClusterOptionsView), **_COMMON},
        problems=False,
    ),
    Route(
        "GET",
        _CLUSTERS,
        list_reports,
        authorize.GATEWAY,
        "gateway.list",
        "The caller's own Dask clusters.",
        {
            200: Answer("Their reports by name, without credentials.", "application/json"),
            **_COMMON,
        },
        query=ClustersQuerySchema,
        problems=False,
    ),
    Route(
        "POST",
        _CLUSTERS,
        start_cluster,
        authorize.GATEWAY,
        "gateway.start",
        "Start a Dask cluster. A repeated `start` names the same cluster.",
        {
            201: Answer("Accepted: the request is durable.", StartedClusterView),
            **_COMMON,
            409: Answer("The cluster does not fit the quota, is not allowed, or there are too many.", GatewayErrorView),
        },
        query=StartQuerySchema,
        body=StartOfClusterBody,
        problems=False,
    ),
    Route(
        "GET",
        _CLUSTER,
        get_report,
        authorize.GATEWAY,
        "gateway.get",
        "The status of a Dask cluster, and how to connect to it.",
        {
            200: Answer("The cluster.", ReportView),
            **_COMMON,
            **_UNKNOWN,
            409: Answer("A request that waits: why the cluster has failed or ended, or is stopping.", GatewayErrorView),
        },
        query=ClusterQuerySchema,
        problems=False,
    ),
    Route(
        "DELETE",
        _CLUSTER,
        end_cluster,
        authorize.GATEWAY,
        "gateway.stop",
        "Stop a Dask cluster.",
        {204: Answer("The cluster is being stopped, or does not exist."), **_COMMON},
        problems=False,
    ),
    *scaling_routes(_CLUSTER, "gateway", authorize.GATEWAY, _SCALED, problems=False),
)
