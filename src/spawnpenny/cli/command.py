"""The command, its subcommands, and its error messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import click

from spawnpenny.cli import exits
from spawnpenny.cli.plugin_commands import loaded, plugin_commands
from spawnpenny.errors import SpawnpennyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MODULES: Final = {
    "broker": "Run the broker until SIGTERM or Ctrl-C.",
    "check": "Check settings and plugins without a cluster.",
    "demo.command": "Run the service and a JupyterHub on this machine.",
    "doctor": "Find what is wrong with a deployment on Kubernetes.",
    "kinds": "List the kinds of spawns of a running service.",
    "lab": "Start, follow, list and stop labs of a running service.",
    "migrate": "Move a site from another spawner.",
    "openapi": "Print the OpenAPI document of the HTTP API.",
    "permissions": "Print the Kubernetes rights of the service and the broker.",
    "pipeline": "Print the steps of a spawn in their order.",
    "plugin.command": "Write a plugin of your own.",
    "plugins": "Print the installed plugins and their steps.",
    "serve": "Run the service until SIGTERM or Ctrl-C.",
    "try_": "Rehearse the spawns that users could start.",
    "user": "Commission, show and retire users of a running service.",
}
"""The first line of each subcommand's help, by its module. A keyword of Python gets an underscore; the subcommand of a
package is in the module ``command``.
"""

_KIND: Final = re.compile(r"[a-z][a-z0-9]{0,14}", re.ASCII)
_OF_KINDS: Final = frozenset({"dashboard", "events", "list", "scale", "start", "status", "stop", "-h", "--help"})
"""The first argument after the name of a kind of the service."""


def _name(module: str) -> str:
    return module.partition(".")[0].removesuffix("_")


class _Subcommands(MutableMapping[str, click.Command]):
    """The subcommands by name. A module is imported only for its own subcommand, so that small ones start fast."""

    def __init__(self) -> None:
        self._modules = {_name(module): module for module in _MODULES}

    def __getitem__(self, name: str) -> click.Command:
        module = self._modules[name]
        found: click.Command = getattr(import_module(f"spawnpenny.cli.{module}"), module.partition(".")[0])
        return found

    def __setitem__(self, name: str, subcommand: click.Command) -> None:
        raise TypeError("A subcommand is a module: add it to the table.")

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class _LazyGroup(click.Group):
    """A group that lists its subcommands without importing them. Its own ones come before those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self._of_plugins()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = self.commands.get(cmd_name)
        if own is not None:
            return own
        found = self._of_plugins().get(cmd_name)
        return None if found is None else loaded(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name of the subcommand, the subcommand and its arguments. Kinds of the service are subcommands."""
        name, *rest = args
        if _KIND.fullmatch(name) and rest and rest[0] in _OF_KINDS and self.get_command(ctx, name) is None:
            module = import_module("spawnpenny.cli.kind_commands")  # only for these
            group: click.Command = module.kind_group(name)
            return name, group, rest
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summaries = {_name(module): click.Command(_name(module), help=text) for module, text in _MODULES.items()}
        summaries |= self._of_plugins()
        limit = formatter.width - 6 - max(map(len, summaries))
        with formatter.section("Commands"):
            formatter.write_dl([(name, summaries[name].get_short_help_str(limit)) for name in sorted(summaries)])

    def _of_plugins(self) -> Mapping[str, click.Command]:
        commands, problems = plugin_commands(self.commands.keys())
        for problem in problems:
            click.echo(problem, err=True)
        return commands


@click.group(cls=_LazyGroup, commands=_Subcommands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("spawnpenny"), message="%(version)s")
def command() -> None:
    """Spawn labs and other computations for JupyterHub, so that the Hub needs no Kubernetes rights.

    Other kinds of spawns of a running service have the same subcommands as labs, such as spawnpenny KIND list.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; print an error to stderr as one message."""
    try:
        code = command.main(list(arguments), prog_name="spawnpenny", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return exits.FAILED
    except exits.CommandError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except SpawnpennyError as error:  # SettingsError and PluginError, before anything runs
        click.echo(error.message, err=True)
        return exits.USAGE
    return code if isinstance(code, int) else exits.DONE
