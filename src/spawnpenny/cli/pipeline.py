"""``spawnpenny pipeline``: print the steps of a spawn in their order, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spawnpenny.cli.options import settings_option
from spawnpenny.domain.spawns import Kind
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.pipeline.order import Ordered
    from spawnpenny.plugin.manager import Plugins


@click.command()
@settings_option
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), default=Kind.LAB.value, show_default=True)
@click.option("--all", "everything", is_flag=True, help="Show too which names in after and before are ignored.")
def pipeline(file: str | None, kind: str, *, everything: bool) -> None:
    """Print the steps of a spawn: their order, why each is where it is, and what runs side by side."""
    plugins = load_plugins(load_settings(file))
    ordered = plugins.pipelines[Kind(kind)]
    if ordered.steps and not plugins.provides(ordered.kind):
        click.echo(f"No loaded plugin makes spawns of the kind {kind}: these are only the steps that all kinds share.")
    for line in (*_lines(ordered, plugins), *_ignored(ordered, everything=everything)):
        click.echo(line)


def _lines(ordered: Ordered, plugins: Plugins) -> Iterator[str]:
    if not ordered.steps:
        yield f"No loaded plugin has a step for the kind {ordered.kind}."
    steps = {step.name: step for step in ordered.steps}
    width = max(map(len, steps), default=0)
    for number, wave in enumerate(ordered.waves, start=1):
        beside = "  (side by side)" if len(wave) > 1 else ""
        yield f"{number}.{beside}"
        for name in wave:
            why = "; ".join(ordered.why(name)) or "needs nothing"
            yield f"   {name:{width}}  {plugins.origin[name]}, scope {steps[name].scope}: {why}"


def _ignored(ordered: Ordered, *, everything: bool) -> Iterator[str]:
    if everything:
        for step, word, name in ordered.unknown:
            yield f"ignored: {step} says {word} {name}, which no loaded plugin has"
    elif ordered.unknown:
        names = ", ".join(sorted({name for _, _, name in ordered.unknown}))
        yield f"ignored, as no loaded plugin has it: {names} (--all says who names it)"
