"""The routes of the gateway protocol, as dask-gateway's client asks them. Its trailing slashes matter."""

from __future__ import annotations

from typing import Final

from spawnpenny.dask.gateway.errors import PREFIX
from spawnpenny.dask.gateway.handlers import (
    end_cluster,
    get_health,
    get_options,
    get_report,
    get_version,
    list_reports,
    start_cluster,
)
from spawnpenny.dask.gateway.response_schemas import (
    ClusterOptionsView,
    GatewayErrorView,
    GatewayVersionView,
    ReportView,
    ScaledView,
    StartedClusterView,
)
from spawnpenny.dask.gateway.scaling import scaling_routes
from spawnpenny.dask.gateway.schemas import (
    ClusterQuerySchema,
    ClustersQuerySchema,
    StartOfClusterBody,
    StartQuerySchema,
)
from spawnpenny.web.health import HealthView
from spawnpenny.web.middleware import authorize
from spawnpenny.web.route import Answer, Route

_API: Final = f"{PREFIX}/api"
_CLUSTERS: Final = f"{_API}/v1/clusters/"
_CLUSTER: Final = f"{_CLUSTERS}{{cluster}}"
_COMMON: Final = {
    401: Answer("There are no credentials, or not known ones.", GatewayErrorView),
    409: Answer("The credentials do not allow it.", GatewayErrorView),
    422: Answer("The request is not valid.", GatewayErrorView),
    500: Answer("It cannot be done now.", GatewayErrorView),
}
_UNKNOWN: Final = {404: Answer("The user has no such cluster.", GatewayErrorView)}
_SCALED: Final = {
    200: Answer("It is durable; what does not fit was cut.", ScaledView),
    **_COMMON,
    **_UNKNOWN,
    409: Answer("The cluster has failed or ended, or is being stopped.", GatewayErrorView),
}

GATEWAY: Final = (
    Route(
        "GET",
        f"{_API}/version",
        get_version,
        authorize.PUBLIC,
        "gateway.version",
        "The version of spawnpenny.",
        {200: Answer("It.", GatewayVersionView)},
        problems=False,
    ),
    Route(
        "GET",
        f"{_API}/health",
        get_health,
        authorize.PUBLIC,
        "gateway.health",
        "Whether the gateway knows the cluster's state.",
        {200: Answer("Pass: it does.", HealthView), 503: Answer("Fail: it does not.", HealthView)},
        problems=False,
    ),
    Route(
        "GET",
        f"{_API}/v1/options",
        get_options,
        authorize.GATEWAY,
        "gateway.options",
        "What may be chosen for a Dask cluster.",
        {200: Answer("All options.", ClusterOptionsView), **_COMMON},
        problems=False,
    ),
    Route(
        "GET",
        _CLUSTERS,
        list_reports,
        authorize.GATEWAY,
        "gateway.list",
        "One's own Dask clusters.",
        {
            200: Answer("A Report of each, by name, with nothing in it that opens anything.", "application/json"),
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
        "Start a Dask cluster. The same `start` again is the same cluster.",
        {
            201: Answer("Accepted: it is durable, and under way.", StartedClusterView),
            **_COMMON,
            409: Answer("It does not fit the quota, is not allowed, or there are too many.", GatewayErrorView),
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
        "How far a Dask cluster is, and how to connect to it.",
        {
            200: Answer("The cluster.", ReportView),
            **_COMMON,
            **_UNKNOWN,
            409: Answer("To who waits: it has failed or ended, or is being stopped, and why.", GatewayErrorView),
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
        {204: Answer("It is being stopped, or is not there."), **_COMMON},
        problems=False,
    ),
    *scaling_routes(_CLUSTER, "gateway", authorize.GATEWAY, _SCALED, problems=False),
)
