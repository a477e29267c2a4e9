"""``spawnpenny pipeline``: print the steps of a spawn in their order, with the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spawnpenny.cli.kinds import demand_kind
from spawnpenny.cli.options import settings_option
from spawnpenny.domain.spawns import USER
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spawnpenny.pipeline.order import Ordered
    from spawnpenny.plugin.manager import Plugins


@click.command()
@settings_option
@click.option(
    "--kind",
    metavar="KIND",
    help="The kind of spawn, such as lab or user; default: the first of the loaded plugins.",
)
@click.option("--all", "everything", is_flag=True, help="Show the ignored names in after and before, too.")
def pipeline(file: str | None, kind: str | None, *, everything: bool) -> None:
    """Print the steps of a spawn in their order.

    It also shows the reasons for the order, and the steps that run side by side.
    """
    plugins = load_plugins(load_settings(file))
    if kind is None:
        kind = next((kind.name for kind in plugins.kinds.of_plugins), USER)
    demand_kind(plugins, kind)
    ordered = plugins.pipelines[kind]
    if ordered.steps and not plugins.provides(kind):
        click.echo(f"No loaded plugin makes spawns of the kind {kind}. These are only the steps that all kinds share.")
    for line in (*_format(ordered, plugins), *_ignored(ordered, everything=everything)):
        click.echo(line)


def _format(ordered: Ordered, plugins: Plugins) -> Iterator[str]:
    if not ordered.steps:
        yield f"No loaded plugin has a step for the kind {ordered.kind}."
    steps = {step.name: step for step in ordered.steps}
    width = max(map(len, steps), default=0)
    for number, wave in enumerate(ordered.waves, start=1):
        together = "  (side by side)" if len(wave) > 1 else ""
        yield f"{number}.{together}"
        for name in wave:
            why = "; ".join(ordered.why(name)) or "needs nothing"
            yield f"   {name:{width}}  {plugins.origin[name]}, scope {steps[name].scope}: {why}"


def _ignored(ordered: Ordered, *, everything: bool) -> Iterator[str]:
    if everything:
        for step, word, name in ordered.unknown:
            yield f"ignored: {step} says {word} {name}, which no loaded plugin has"
    elif ordered.unknown:
        names = ", ".join(sorted({name for _, _, name in ordered.unknown}))
        yield f"ignored, as no loaded plugin has it: {names} (--all shows which steps name it)"
