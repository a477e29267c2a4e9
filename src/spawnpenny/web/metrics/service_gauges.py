"""Gauges of the running service, read on every scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from spawnpenny.serving.metrics.families import gauge, of_connections, of_informers, of_tasks

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.service import Service
    from spawnpenny.web.middleware.rate_limit import Limits


Gauges = Callable[["Service"], Iterable[Metric]]
"""A function that returns the gauges of a part of the service, such as labs."""


class ServiceGauges(Collector):
    """The gauges of one running service."""

    def __init__(self, service: Service, limits: Limits, connections: Connections, *more: Gauges) -> None:
        self._service = service
        self._limits = limits
        self._more = more
        self._connections = connections

    def collect(self) -> Iterable[Metric]:
        yield from self._spawn_gauges()
        yield from self._informer_gauges()
        yield from self._start_queue_gauges()
        yield from self._replica_gauges()
        yield from of_tasks(self._service.supervisor)
        yield from self._caller_gauges()

    def _spawn_gauges(self) -> Iterable[Metric]:
        spawns = self._service.spawns
        yield gauge("spawnpenny_ready", "1 once the service knows the state of the cluster.", spawns.ready)
        user_states = spawns.user_states()
        yield gauge(
            "spawnpenny_users", "Users with a record.", sum(1 for state in user_states if state.known is not None)
        )
        yield gauge("spawnpenny_records_refused", "Records that cannot be read.", len(spawns.unknown()))
        for gauges_of in self._more:
            yield from gauges_of(self._service)

    def _informer_gauges(self) -> Iterable[Metric]:
        service_context, membership = self._service.service_context, self._service.membership
        informers = {"pods": service_context.pods, "namespaces": service_context.namespaces}
        informers |= {"secrets": membership.records, "leases": membership.leases}
        yield from of_informers(informers)

    def _replica_gauges(self) -> Iterable[Metric]:
        membership, left = self._service.membership, self._service.maintenance.orphans
        yield gauge("spawnpenny_replicas", "Replicas that are alive, with this one.", len(membership.peers.living()))
        yield gauge("spawnpenny_lease_valid", "1 while this replica may write.", membership.heartbeat.fence.is_open)
        yield gauge("spawnpenny_orphans_held_back", "Orphaned spawns that maintenance may not delete.", left.held_back)

    def _caller_gauges(self) -> Iterable[Metric]:
        yield from of_connections(self._connections)
        yield gauge(
            "spawnpenny_bodies_awaited", "Requests whose bodies have not arrived yet.", self._limits.requests.bodies
        )

    def _start_queue_gauges(self) -> Iterable[Metric]:
        queue = self._service.service_context.start_queue
        yield gauge("spawnpenny_spawns_under_way", "Spawns that create objects now.", queue.taken)
        yield gauge("spawnpenny_spawns_waiting", "Spawns that wait in the start queue.", queue.waiting)
        yield gauge("spawnpenny_event_streams_open", "Open event streams.", self._limits.streams.total)
