"""Gauges of plugins, read on every scrape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from spawnpenny.domain import labels
from spawnpenny.domain.names import Names
from spawnpenny.serving.metrics.families import gauge, gauges
from spawnpenny.web.spawn_state import SpawnState

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.service import Service


@dataclass(frozen=True, slots=True)
class PluginGauge:
    """A gauge of a plugin. Its name begins with ``spawnpenny_`` and the name of the plugin or its kind.

    Attributes:
        name: The name.
        text: One sentence on what it counts.
        value: The value; with a label, the values by those of the label.
        label: The name of the label; empty without one.

    """

    name: str
    text: str
    value: float | Mapping[str, float]
    label: str = ""


class SpawnsHere:
    """The spawns of a plugin's kinds that this replica looks after, for gauges."""

    def __init__(self, service: Service, kinds: Collection[str]) -> None:
        self._service = service
        self._kinds = frozenset(kinds)

    def of_users(self) -> Iterator[tuple[str, list[SpawnState]]]:
        """Yield each user with a spawn, and the spawns of that user."""
        for user_state in self._service.spawns.user_states():
            runs = [run for key, run in user_state.runs.items() if key.kind in self._kinds]
            if runs:
                yield user_state.username, [SpawnState(user_state.username, run) for run in runs]

    def worker_groups(self, kind: str) -> tuple[WorkerGroup, ...]:
        """Return the worker groups of a kind that all plugins offer."""
        return self._service.plugins.worker_groups(kind)

    def pods(self, username: str) -> Mapping[str, list[Manifest]]:
        """Return the pods of a user's spawns, by the ids of the spawns."""
        return pods_by_spawn(self._service, username, self._kinds)


def pods_by_spawn(service: Service, username: str, kinds: Collection[str]) -> Mapping[str, list[Manifest]]:
    """Return the cached pods of a user's spawns of some kinds, by the ids of the spawns."""
    prefix = service.settings.namespaces.prefix
    namespace = Names.of(username, labels.USER, "", prefix=prefix).namespace
    found: dict[str, list[Manifest]] = {}
    for pod in service.service_context.pods.within(namespace):
        of_pod = pod["metadata"].get("labels", {})
        if of_pod.get(labels.KIND) in kinds and labels.SPAWN in of_pod:
            found.setdefault(of_pod[labels.SPAWN], []).append(pod)
    return found


def plugin_gauges(service: Service) -> Iterable[Metric]:
    """Yield the gauges of all plugins."""
    taken: set[str] = set()
    for plugin, found in service.plugins.gauges(lambda kinds: SpawnsHere(service, kinds)):
        owners = {plugin, *service.plugins.declared_kinds.get(plugin, ())}
        for item in found:
            known = isinstance(item, PluginGauge) and item.name not in taken
            if not known or not item.name.startswith(tuple(f"spawnpenny_{owner}_" for owner in owners)):
                log = structlog.get_logger("spawnpenny.plugins")
                log.warning("a gauge of a plugin is left out", plugin=plugin, gauge=getattr(item, "name", None))
                continue
            taken.add(item.name)
            yield (
                gauges(item.name, item.text, item.label, item.value)
                if isinstance(item.value, Mapping)
                else gauge(item.name, item.text, item.value)
            )
