"""Subcommands of plugins: found by entry points, so that no settings and no other plugins are loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import click

from spawnpenny.cli.lazy_command import LazyCommand
from spawnpenny.errors import PluginError, SpawnpennyError

GROUP: Final = "spawnpenny.commands"
HOOK: Final = "spawnpenny_commands"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)


def plugin_commands(taken: Collection[str]) -> tuple[Mapping[str, click.Command], list[str]]:
    """Return the subcommands of all plugins by name, and sentences about those that cannot be had.

    Args:
        taken: The names of spawnpenny's own subcommands.

    """
    commands: dict[str, click.Command] = {}
    origin: dict[str, str] = {}
    problems: list[str] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            for command in _commands_of(entry):
                name = _checked(entry.name, command, taken, origin)
                commands[name], origin[name] = command, entry.name
        except SpawnpennyError as error:
            problems.append(error.message)
    return commands, problems


def loaded(command: click.Command) -> click.Command:
    """Return a subcommand, imported.

    Raises:
        PluginError: It cannot be imported.

    """
    if not isinstance(command, LazyCommand):
        return command
    found: click.Command = _attempt(f"The subcommand {command.name!r} of a plugin cannot be imported", command.load)
    return found


def _commands_of(entry: EntryPoint) -> Iterable[Any]:
    module = _attempt(f"The commands of the plugin {entry.name!r} cannot be imported", entry.load)
    hook = getattr(module, HOOK, None)
    if not callable(hook):
        raise PluginError(
            f"The entry point {entry.name!r} in the group {GROUP} names {entry.value}, which has no hook {HOOK}."
        )
    found = _attempt(f"The hook {HOOK} of the plugin {entry.name!r} failed", hook)
    if not isinstance(found, list | tuple) or not all(isinstance(command, click.Command) for command in found):
        raise PluginError(
            f"The hook {HOOK} of the plugin {entry.name!r} has to return a list of click.Command objects."
        )
    return found


def _checked(plugin: str, command: click.Command, taken: Collection[str], origin: Mapping[str, str]) -> str:
    """Return the name of a subcommand.

    Raises:
        PluginError: It is no good name, or another subcommand has it.

    """
    name = command.name or ""
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"A subcommand of the plugin {plugin!r} has the name {name[:63]!r}: write lower case letters, digits and -."
        )
    if name in taken:
        raise PluginError(f"The plugin {plugin!r} has a subcommand {name!r}, which spawnpenny has itself.")
    if name in origin:
        raise PluginError(f"The plugins {origin[name]!r} and {plugin!r} both have a subcommand {name!r}.")
    return name


def _attempt(failed: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except SpawnpennyError:
        raise
    except Exception as error:
        raise PluginError(f"{failed}: {type(error).__name__}: {error}") from error
