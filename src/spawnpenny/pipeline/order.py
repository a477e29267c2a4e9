"""The order of steps: resolved once from their declarations, whatever the order of registration, and printable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from spawnpenny.domain.resources import Resources, total
from spawnpenny.domain.spawns import USER
from spawnpenny.errors import PluginError
from spawnpenny.pipeline.step import SPAWN_STEPS, Step
from spawnpenny.pipeline.validation import came_from, check_declarations

if TYPE_CHECKING:
    from spawnpenny.pipeline.spawn import PlannedSpawn


@dataclass(frozen=True, slots=True)
class Edge:
    """``first`` comes before ``then``, because ``word`` (needs, after or before) names it in ``declared_by``."""

    first: str
    then: str
    word: str
    declared_by: str


@dataclass(frozen=True, slots=True)
class Ordered:
    """The pipeline of one kind: its steps in order, the edges between them, and the soft names that no plugin has."""

    kind: str
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    unknown: tuple[tuple[str, str, str], ...] = ()
    waves: tuple[tuple[str, ...], ...] = field(default=())

    def predecessors(self, name: str) -> frozenset[str]:
        return frozenset(edge.first for edge in self.edges if edge.then == name)

    def depends(self, name: str, on: str) -> bool:
        """Return whether a step comes after another, directly or by way of others."""
        before = self.predecessors(name)
        return on in before or any(self.depends(step, on) for step in before)

    def in_namespace(self, step: Step) -> bool:
        """Return whether a step's objects live in the user namespace: it claims it, or comes after a step that does."""
        claiming = [other for other in self.steps if claims_namespace(other)]
        return any(other is step or self.depends(step.name, other.name) for other in claiming)

    def resources(self, spawn: PlannedSpawn) -> Resources:
        """Return what a spawn uses of its user's budget: what its steps need, and one spawn of its kind."""
        return total((*(step.resources(spawn) for step in self.steps), Resources(spawns={self.kind: 1})))

    def why(self, name: str) -> list[str]:
        """Return the reasons for the place of a step, as sentences."""
        return [_sentence(edge, name) for edge in self.edges if edge.then == name]


def order(
    steps: Sequence[Step],
    kind: str,
    *,
    origin: Mapping[str, str] | None = None,
    absent: set[str] | None = None,
) -> Ordered:
    """Order the steps of one kind by needs, after and before; ties go by name.

    Args:
        steps: All steps, of any kind.
        kind: Which pipeline.
        origin: The plugin of each step, for the messages.
        absent: The plugins that are installed and not loaded, for the messages.

    Raises:
        PluginError: Two steps share a name, a needed step is absent, there is a cycle, or a declaration is wrong.

    """
    origin = origin or {}
    check_declarations(steps, origin)
    chosen = {step.name: step for step in steps if has_kind(step, kind)}
    everywhere = {step.name: step for step in steps}
    edges: set[Edge] = set()
    unknown: list[tuple[str, str, str]] = []
    stars: list[Edge] = []
    for step in chosen.values():
        for word, names in (("needs", step.needs), ("after", step.after), ("before", step.before)):
            for name in sorted(names):
                found = _members(name, chosen) - {step.name}
                if not found and word == "needs":
                    elsewhere = _members(name, everywhere)
                    raise PluginError(_unmet(step.name, name, kind, origin, elsewhere, absent or set()))
                new = [_edge(step.name, word, other) for other in sorted(found)]
                if name == SPAWN_STEPS:
                    stars += new
                    continue
                if not _members(name, everywhere):
                    unknown.append((step.name, word, name))
                edges |= set(new)
    _add_stars(edges, stars)
    waves = _waves(chosen, edges, kind)
    ordered = tuple(chosen[name] for wave in waves for name in wave)
    by_place = tuple(sorted(edges, key=lambda edge: (edge.then, edge.first, edge.word, edge.declared_by)))
    return Ordered(kind, ordered, by_place, tuple(sorted(unknown)), waves)


def claims_namespace(step: Step) -> bool:
    """Return whether a step asks the broker for the user namespace."""
    return any("claim" in permission.verbs for permission in step.permissions)


def has_kind(step: Step, kind: str) -> bool:
    """Return whether a step is part of the pipeline of a kind."""
    if step.kinds is None:
        return kind != USER or step.commissions
    return kind in step.kinds


def _members(name: str, steps: Mapping[str, Step]) -> set[str]:
    if name == SPAWN_STEPS:
        return {step.name for step in steps.values() if step.scope == "spawn"}
    return {step for step in steps if step == name or step.startswith(f"{name}.")}


def _add_stars(edges: set[Edge], stars: Sequence[Edge]) -> None:
    """Add the edges that ``*`` stands for, except where a step says the opposite by name."""
    for edge in sorted(stars, key=lambda edge: (edge.then, edge.first)):
        if not _leads(edge.then, edge.first, edges):
            edges.add(edge)


def _leads(first: str, then: str, edges: Collection[Edge]) -> bool:
    """Return whether a step comes before another, directly or by way of others."""
    reached, found = {first}, {first}
    while found:
        found = {edge.then for edge in edges if edge.first in found} - reached
        reached |= found
    return then in reached


def _edge(step: str, word: str, other: str) -> Edge:
    return Edge(step, other, word, step) if word == "before" else Edge(other, step, word, step)


def _waves(chosen: Mapping[str, Step], edges: set[Edge], kind: str) -> tuple[tuple[str, ...], ...]:
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(sorted(chosen), ()))
    for edge in sorted(edges, key=lambda edge: (edge.then, edge.first)):
        sorter.add(edge.then, edge.first)
    try:
        sorter.prepare()
    except CycleError as error:
        loop = " -> ".join(error.args[1])  # each comes before the next
        raise PluginError(f"The steps of the {kind} pipeline wait for each other: {loop}.") from None
    waves = []
    while sorter.is_active():
        ready = tuple(sorted(sorter.get_ready()))
        waves.append(ready)
        sorter.done(*ready)
    return tuple(waves)


def _unmet(step: str, need: str, kind: str, origin: Mapping[str, str], elsewhere: set[str], absent: set[str]) -> str:
    if elsewhere:
        detail = f"which is not part of the {kind} pipeline."
    elif (plugin := need.partition(".")[0]) in absent:
        detail = (
            f"which no loaded plugin provides. The plugin {plugin!r} is installed: name it under plugins in the "
            "settings, as naming any there loads no other."
        )
    else:
        detail = "which no loaded plugin provides."
    return f"The step {step!r} ({came_from(step, origin)}) needs {need!r}, {detail}"


def _sentence(edge: Edge, name: str) -> str:
    if edge.word == "before":
        return f"{edge.first} says before {name}"
    return f"{edge.word} {edge.first}"
