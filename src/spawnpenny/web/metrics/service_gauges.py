"""Gauges of the running service, read when they are scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from spawnpenny.domain.spawns import Kind, Phase
from spawnpenny.serving.metrics.families import gauge, gauges, of_connections, of_informers, of_tasks

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.service import Service
    from spawnpenny.web.middleware.rate_limit import Limits


Gauges = Callable[["Service"], Iterable[Metric]]
"""Gauges of a part of the service, such as Dask's."""


class ServiceGauges(Collector):
    """The gauges of one running service."""

    def __init__(self, service: Service, limits: Limits, connections: Connections, *more: Gauges) -> None:
        self._service = service
        self._limits = limits
        self._more = more
        self._connections = connections

    def collect(self) -> Iterable[Metric]:
        yield from self._known()
        yield from self._watched()
        yield from self._at_work()
        yield from self._among_replicas()
        yield from of_tasks(self._service.supervisor)
        yield from self._of_callers()

    def _known(self) -> Iterable[Metric]:
        spawns = self._service.spawns
        yield gauge("spawnpenny_ready", "1 once the state of the cluster is known.", spawns.ready)
        user_states = spawns.user_states()
        yield gauge(
            "spawnpenny_users", "Users with a record.", sum(1 for state in user_states if state.known is not None)
        )
        yield gauge("spawnpenny_records_refused", "Records that cannot be read.", len(spawns.unknown()))
        phases: Counter[Phase] = Counter(
            run.record.phase
            for user_state in user_states
            for key, run in user_state.runs.items()
            if key.kind is Kind.LAB
        )
        labs = {phase.value: phases[phase] for phase in Phase}
        yield gauges("spawnpenny_labs", "Labs, by how far they are.", "phase", labs)
        for gauges_of in self._more:
            yield from gauges_of(self._service)

    def _watched(self) -> Iterable[Metric]:
        service_context, membership = self._service.service_context, self._service.membership
        watched = {"pods": service_context.pods, "namespaces": service_context.namespaces}
        watched |= {"secrets": membership.records, "leases": membership.leases}
        yield from of_informers(watched)

    def _among_replicas(self) -> Iterable[Metric]:
        membership, left = self._service.membership, self._service.maintenance.orphans
        yield gauge("spawnpenny_replicas", "Replicas that are alive, this one too.", len(membership.peers.living()))
        yield gauge("spawnpenny_lease_valid", "1 while this replica may write.", membership.heartbeat.fence.is_open)
        yield gauge(
            "spawnpenny_leftovers_held_back", "Spawns that housekeeping would remove, and may not.", left.held_back
        )

    def _of_callers(self) -> Iterable[Metric]:
        yield from of_connections(self._connections)
        yield gauge(
            "spawnpenny_bodies_awaited", "Requests whose bodies have not arrived.", self._limits.requests.bodies
        )

    def _at_work(self) -> Iterable[Metric]:
        slots = self._service.service_context.start_queue
        yield gauge("spawnpenny_spawns_under_way", "Spawns that make things at the moment.", slots.taken)
        yield gauge("spawnpenny_spawns_waiting", "Spawns that wait for their turn.", slots.waiting)
        yield gauge("spawnpenny_event_streams_open", "Event streams that are open.", self._limits.streams.total)
