"""Routes of the REST API for Dask clusters. The gateway protocol creates them, and its handlers scale them."""

from __future__ import annotations

from typing import Final

from spawnpenny.api.http import (
    BODY_REFUSED,
    CHANGE_REFUSED,
    READ,
    READ_ALL,
    ROUTES,
    SPAWN,
    STOP,
    Access,
    Answer,
    EventsQuerySchema,
    Route,
    TicketBody,
    TicketView,
)
from spawnpenny_dask.gateway.handlers import GatewayHandlers
from spawnpenny_dask.gateway.routes import scaling_routes
from spawnpenny_dask.gateway.schemas import ScaledView
from spawnpenny_dask.rest.cluster_workers import ClusterWorkersView
from spawnpenny_dask.rest.handlers import (
    ClusterHandlers,
    ClustersPageQuerySchema,
    StopClusterQuerySchema,
    UserClustersQuerySchema,
)
from spawnpenny_dask.rest.schemas import ClustersView, DaskView, StoppingDaskView, UserDaskView

STOP_CLUSTER: Final = Access(STOP.any, STOP.own | {"lab:self"})
SCALE_CLUSTER: Final = Access(SPAWN.any, SPAWN.own | {"lab:self"})
_CLUSTERS: Final = "/v1/users/{user}/dask"
_CLUSTER: Final = f"{_CLUSTERS}/{{cluster}}"


def cluster_routes(handlers: ClusterHandlers, gateway: GatewayHandlers) -> list[Route]:
    """Return the routes of the REST API."""
    return [
        Route(
            "GET",
            "/v1/dask",
            handlers.list_all,
            READ_ALL,
            "dask.list_all",
            "All Dask clusters, a page at a time.",
            {200: Answer("One page, by user and name.", ClustersView)},
            query=ClustersPageQuerySchema,
        ),
        Route(
            "GET",
            _CLUSTERS,
            handlers.list_of_user,
            READ,
            "dask.list",
            "A user's Dask clusters.",
            {200: Answer("All of them, by name.", UserDaskView)},
            query=UserClustersQuerySchema,
        ),
        Route(
            "GET",
            _CLUSTER,
            handlers.get,
            READ,
            "dask.get",
            "The phase of a Dask cluster, and its numbers of workers.",
            {200: Answer("The cluster.", DaskView)},
            refusals={404: ("dask_not_found",)},
        ),
        Route(
            "DELETE",
            _CLUSTER,
            handlers.stop,
            STOP_CLUSTER,
            "dask.stop",
            "Stop a Dask cluster.",
            {
                202: Answer("The cluster is being stopped.", StoppingDaskView),
                204: Answer("The cluster is gone, or did not exist."),
            },
            query=StopClusterQuerySchema,
            refusals=CHANGE_REFUSED,
        ),
        *scaling_routes(
            gateway,
            _CLUSTER,
            "dask",
            SCALE_CLUSTER,
            {200: Answer("The scale is durable. It was cut to what fits.", ScaledView)},
            refusals={**BODY_REFUSED, **CHANGE_REFUSED, 404: ("dask_not_found",), 409: ("not_running",)},
        ),
        Route(
            "GET",
            f"{_CLUSTER}/events",
            handlers.events,
            READ,
            "dask.events",
            "Past and new events of a Dask cluster, as server-sent events.",
            {
                200: Answer(
                    "The stream ends when the cluster runs (without `follow`), has failed or is gone.",
                    "text/event-stream",
                ),
                204: Answer("No event came after `Last-Event-ID`, and none will."),
            },
            query=EventsQuerySchema,
            refusals={404: ("dask_not_found",), 429: ("too_many_requests",)},
        ),
        Route(
            "GET",
            f"{_CLUSTER}/workers",
            handlers.workers,
            READ,
            "dask.workers",
            "The workers of a Dask cluster: their phases, and why some do not run.",
            {200: Answer("The existing workers by name, then the last ones that ended.", ClusterWorkersView)},
            refusals={404: ("dask_not_found",)},
        ),
        Route(
            "POST",
            f"{_CLUSTER}/ticket",
            handlers.redeem_ticket,
            ROUTES,
            "dask.ticket",
            "Redeem a one-time ticket for a cluster's dashboard; for `spawnpenny proxy`.",
            {200: Answer("The ticket was valid, and is used up.", TicketView)},
            body=TicketBody,
            refusals={**BODY_REFUSED, 404: ("ticket_unknown",)},
        ),
    ]
