"""Migration from a chart beside that of JupyterHub, as a plugin provides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChartMigration:
    """A migration from the values of a chart, by ``spawnpenny migrate kubespawner``.

    Attributes:
        chart: The name of the chart, which is the key of its values in those of a chart that depends on it.
        settings: Returns the settings that follow from the values, by dotted name.
        not_carried: Returns what is not carried over: its place, the reason, and what to do.
        notes: Returns further notes for the administrator.
        shapes: The required types of values, by dotted path, outer values first. A value of another type is left out.

    """

    chart: str
    settings: Callable[[Values], Values]
    not_carried: Callable[[Values], Iterable[tuple[str, str, str]]] = lambda _: ()
    notes: Callable[[Values], Iterable[str]] = lambda _: ()
    shapes: Mapping[str, type] = field(default_factory=dict)
