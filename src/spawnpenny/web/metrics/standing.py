"""How things stand at the moment: read off the running service when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spawnpenny.domain.spawns import Kind, Phase

if TYPE_CHECKING:
    from spawnpenny.aio.connections import Connections
    from spawnpenny.service import Service
    from spawnpenny.web.limits import Limits


class Standing(Collector):
    """The gauges of one running service."""

    def __init__(self, service: Service, limits: Limits, connections: Connections) -> None:
        self._service = service
        self._limits = limits
        self._connections = connections

    def collect(self) -> Iterable[Metric]:
        yield from self._known()
        yield from self._watched()
        yield from self._at_work()
        yield from self._among_replicas()
        yield from self._tasks()
        yield from self._of_callers()

    def _known(self) -> Iterable[Metric]:
        spawns = self._service.spawns
        yield _gauge("spawnpenny_ready", "1 once the state of the cluster is known.", spawns.ready)
        accounts = spawns.accounts()
        yield _gauge("spawnpenny_users", "Users with a record.", sum(1 for each in accounts if each.known is not None))
        yield _gauge("spawnpenny_records_refused", "Records that cannot be read.", len(spawns.unknown()))
        phases: Counter[Phase] = Counter(
            run.record.phase for account in accounts for key, run in account.runs.items() if key.kind is Kind.LAB
        )
        labs = GaugeMetricFamily("spawnpenny_labs", "Labs, by how far they are.", labels=("phase",))
        for phase in Phase:
            labs.add_metric((phase.value,), phases[phase])
        yield labs

    def _watched(self) -> Iterable[Metric]:
        synced = GaugeMetricFamily(
            "spawnpenny_informer_synced", "1 once all objects of a resource are known.", labels=("resource",)
        )
        staleness = GaugeMetricFamily(
            "spawnpenny_informer_staleness_seconds", "Since the last word from the cluster.", labels=("resource",)
        )
        world, membership = self._service.world, self._service.membership
        watched = {"pods": world.pods, "namespaces": world.namespaces}
        watched |= {"secrets": membership.records, "leases": membership.leases}
        for resource, informer in watched.items():
            synced.add_metric((resource,), informer.synced.is_set())
            staleness.add_metric((resource,), informer.staleness())
        yield from (synced, staleness)

    def _among_replicas(self) -> Iterable[Metric]:
        membership, left = self._service.membership, self._service.housekeeper.leftovers
        yield _gauge("spawnpenny_replicas", "Replicas that are alive, this one too.", len(membership.peers.living()))
        yield _gauge("spawnpenny_lease_valid", "1 while this replica may write.", membership.heartbeat.fence.is_open)
        yield _gauge(
            "spawnpenny_leftovers_held_back", "Spawns that housekeeping would remove, and may not.", left.held_back
        )

    def _tasks(self) -> Iterable[Metric]:
        supervisor, faults = self._service.supervisor, self._service.world.faults
        running = GaugeMetricFamily("spawnpenny_task_running", "1 while a task of the service runs.", labels=("task",))
        for name, runs in supervisor.standing().items():
            running.add_metric((name,), runs)
        yield running
        yield _counter(
            "spawnpenny_task_failures", "How often a task failed and was restarted.", "task", supervisor.failures
        )
        yield _counter("spawnpenny_items_skipped", "Items that could not be handled, by kind.", "kind", faults.counts)

    def _of_callers(self) -> Iterable[Metric]:
        yield _gauge("spawnpenny_connections_open", "Connections of callers that are open.", len(self._connections))
        yield _counter(
            "spawnpenny_connections_cut", "Connections that were refused or cut.", "reason", self._connections.closed
        )
        yield _gauge(
            "spawnpenny_bodies_awaited", "Requests whose bodies have not arrived.", self._limits.requests.bodies
        )

    def _at_work(self) -> Iterable[Metric]:
        slots = self._service.world.slots
        yield _gauge("spawnpenny_spawns_under_way", "Spawns that make things at the moment.", slots.taken)
        yield _gauge("spawnpenny_spawns_waiting", "Spawns that wait for their turn.", slots.waiting)
        yield _gauge("spawnpenny_event_streams_open", "Event streams that are open.", self._limits.streams.total)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(name, told, value=value)


def _counter(name: str, told: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, told, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family
