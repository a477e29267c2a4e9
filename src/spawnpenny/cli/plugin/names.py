"""Checks of the name of a new plugin."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Final

from spawnpenny.cli.exits import UsageError
from spawnpenny.cli.plugin.distribution import distribution_name, module_name
from spawnpenny.domain.kinds import Kind, kind_fault
from spawnpenny.errors import SpawnpennyError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import PLUGIN_GROUP

_NAME: Final = re.compile(r"(?!spawnpenny\b)[a-z](?:-?[a-z0-9]){0,39}")


def check_name(name: str) -> None:
    """Refuse a name that no new plugin can have.

    Raises:
        UsageError: The name is wrong, or taken by an installed plugin, step or module.

    """
    if not _NAME.fullmatch(name):
        nearest = _nearest(name)
        hint = f" Try {nearest!r}." if nearest else ""
        raise UsageError(
            f"{name!r} cannot be the name of a plugin: its distribution is called {distribution_name('NAME')}. "
            f"Write up to 40 lower case letters, digits and single dashes, with a letter first.{hint}"
        )
    for entry in entry_points(group=PLUGIN_GROUP):
        if entry.name == name:
            source = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
            raise UsageError(f"The plugin {name!r} exists already: {source} is installed. Choose another name.")
    if name in _step_families():
        raise UsageError(f"An installed plugin has a step {name!r}. Choose another name.")
    if find_spec(module_name(name)) is not None:
        raise UsageError(f"The module {module_name(name)} exists already. Choose another name.")


def check_kind(kind: str, plural: str) -> None:
    """Refuse a name that no new kind can have.

    Raises:
        UsageError: The name is one of spawnpenny's own, or that of a kind of an installed plugin.

    """
    if (fault := kind_fault(Kind(kind, plural, kind))) is not None:
        raise UsageError(f"The kind of the plugin {fault} Choose another name for the plugin.")
    try:
        kinds = load_plugins(make_settings({})).kinds.of_plugins
    except SpawnpennyError:
        return
    if any({kind, plural} & {other.name, other.plural} for other in kinds):
        raise UsageError(f"An installed plugin has a kind {kind!r}. Choose another name for the plugin.")


def _nearest(name: str) -> str:
    text = name.lower().removeprefix(distribution_name(""))
    words = re.findall(r"[a-z0-9]+", text)
    nearest = "-".join(words).lstrip("0123456789-")[:40].rstrip("-")
    return nearest if _NAME.fullmatch(nearest) else ""


def _step_families() -> set[str]:
    try:
        steps = load_plugins(make_settings({})).steps
    except SpawnpennyError:  # the installed plugins do not fit together, which is nothing that a new one changes
        return set()
    return {step.name.partition(".")[0] for step in steps}
