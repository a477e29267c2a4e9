"""``spawnpenny plugin``: start the distribution of a new plugin."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from spawnpenny.cli import exits
from spawnpenny.cli.exits import UsageError
from spawnpenny.cli.plugin.distribution import VARIANTS, Distribution, write
from spawnpenny.cli.plugin.names import check_kind, check_name


@click.group()
def plugin() -> None:
    """Write a plugin of your own.

    `spawnpenny plugins` lists those that are installed.
    """


@plugin.command()
@click.argument("name")
@click.option("--step", "variants", flag_value="step", multiple=True, help="With a step of a lab; the default.")
@click.option("--kind", "variants", flag_value="kind", multiple=True, help="With a kind of spawns, and its step.")
@click.option(
    "--authenticator",
    "variants",
    flag_value="authenticator",
    multiple=True,
    help="With an authenticator of callers.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder to write into, new or empty; default: spawnpenny-NAME in this one.",
)
def new(*, name: str, variants: tuple[str, ...], folder: Path | None) -> int:
    """Write the distribution of a new plugin, with its tests.

    NAME is the plugin's name in the settings, such as welcome. Nothing is overwritten. The distribution passes its
    tests, ruff and mypy as it is: change it step by step. The next commands are printed.
    """
    check_name(name)
    if len(set(variants)) > 1:
        chosen = " and ".join(f"--{variant}" for variant in dict.fromkeys(variants))
        raise UsageError(f"{chosen} cannot go together: a new plugin begins with one of them. Add the other by hand.")
    distribution = Distribution(name, VARIANTS[variants[0] if variants else "step"])
    if distribution.variant.folder == "kind":
        check_kind(distribution.kind, distribution.plural)
    folder = folder or Path(distribution.name)
    count = write(distribution, folder)
    click.echo(f"Wrote the plugin {name}: {count} files in {folder}. Next:\n")
    for command in _commands(distribution, folder):
        click.echo(f"  {command}")
    click.echo(f"\n{_effect(distribution)} See {folder / 'README.md'}.")
    return exits.DONE


def _effect(distribution: Distribution) -> str:
    return distribution.variant.effect.format(variable=distribution.variable, plural=distribution.plural)


def _commands(distribution: Distribution, folder: Path) -> list[str]:
    """Return the commands that install, test and show a plugin, for the shell and the Python of this command."""
    python, where = shlex.quote(sys.executable), folder if folder.is_absolute() else f"./{folder}"
    # Without isolation, pip needs no network for what is installed already, as in a clone.
    isolation = " --no-build-isolation" if find_spec("hatchling") and find_spec("editables") else ""
    return [
        f"{python} -m pip install{isolation} --editable {shlex.quote(f'{where}[dev]')}",
        f"{python} -m pytest {shlex.quote(str(where))}",
        *distribution.preparation(folder.absolute()),
        f"{distribution.load(folder.absolute())} {python} -m spawnpenny demo",
    ]
