"""Gauges of plugins, read on every scrape."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard

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


_NAME: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_LABEL: Final = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


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
            if not _is_sound(item) or item.name in taken or not _is_of(item.name, owners):
                log = structlog.get_logger("spawnpenny.plugins")
                log.warning("a gauge of a plugin is left out", plugin=plugin, gauge=getattr(item, "name", None))
                continue
            taken.add(item.name)
            yield (
                gauges(item.name, item.text, item.label, item.value)
                if isinstance(item.value, Mapping)
                else gauge(item.name, item.text, item.value)
            )


def _is_of(name: str, owners: Collection[str]) -> bool:
    return name.startswith(tuple(f"spawnpenny_{owner.replace('-', '_')}_" for owner in owners))


def _is_sound(item: object) -> TypeGuard[PluginGauge]:
    """Return whether something is a gauge that can be exported: one that cannot would cost all other metrics."""
    if not isinstance(item, PluginGauge) or not _is_text(item.name, _NAME) or not isinstance(item.text, str):
        return False
    if not isinstance(item.value, Mapping):
        return _is_number(item.value)
    return _is_text(item.label, _LABEL) and all(
        isinstance(key, str) and _is_number(value) for key, value in item.value.items()
    )


def _is_text(text: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _is_number(value: object) -> bool:
    """Return whether something is a number for Prometheus, which has those of 64 bits."""
    try:
        return isinstance(value, int | float) and isinstance(float(value), float)
    except OverflowError:
        return False
