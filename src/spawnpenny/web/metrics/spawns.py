"""Metrics of spawns and their steps, from events, as a plugin could observe them."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from spawnpenny.advice import ADVICE
from spawnpenny.domain.events import Event, EventType
from spawnpenny.domain.spawns import Key
from spawnpenny.plugin.spec import hookimpl

_OUTCOMES: Final = frozenset({"running", "failed", "exited", "succeeded", "gone"})
_SPAWN_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_MOST_PLUGIN_CODES: Final = 50
_OTHER: Final = "other"
_STEP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class SpawnMetrics:
    """Counts the events of spawns."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._plugin_codes: set[str] = set()
        self._spawns = Counter(
            "spawnpenny_spawns",
            "Spawns that ran, failed, ended by themselves or were stopped.",
            ("kind", "outcome", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "spawnpenny_spawn_seconds",
            "Time from the request of a spawn until it ran.",
            ("kind",),
            buckets=_SPAWN_BUCKETS,
            registry=registry,
        )
        self._steps = Histogram(
            "spawnpenny_step_seconds",
            "Duration of a step.",
            ("step", "outcome"),
            buckets=_STEP_BUCKETS,
            registry=registry,
        )

    @hookimpl
    def spawnpenny_observe(self, key: Key, event: Event) -> None:
        if event.type is EventType.STEP and event.step and event.state and event.seconds is not None:
            self._steps.labels(event.step, str(event.state)).observe(event.seconds)
        if event.type is EventType.PHASE and event.phase in _OUTCOMES:
            self._spawns.labels(str(key.kind), str(event.phase), self._label(event.code)).inc()
            if event.phase == "running" and event.seconds is not None:
                self._seconds.labels(str(key.kind)).observe(event.seconds)

    def _label(self, code: str | None) -> str:
        """Return a code as the value of a label: of the codes of plugins the first ones, and ``other`` for the rest.

        A plugin may write anything into its code, such as the name of a host; each value is a time series for ever.
        """
        if code is None or code in ADVICE or code in self._plugin_codes:
            return code or ""
        if len(self._plugin_codes) == _MOST_PLUGIN_CODES:
            return _OTHER
        self._plugin_codes.add(code)
        return code
