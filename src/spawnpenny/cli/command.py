"""The command, its subcommands, and its error messages."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import click

from spawnpenny.cli import exits
from spawnpenny.errors import SpawnpennyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MODULES: Final = {
    "broker": "Run the broker until it is asked to end (SIGTERM, Ctrl-C).",
    "check": "Check settings and plugins without a cluster, and print what a service would use. No secret is printed.",
    "dask": "List, follow and stop Dask clusters of a running service.",
    "demo.command": "Start the service on an embedded cluster, and a JupyterHub that spawns through it.",
    "doctor": "Look a deployment on Kubernetes over: what is wrong with it, and what to do.",
    "lab": "Start, follow, list and stop labs of a running service.",
    "migrate": "Move a site from another spawner.",
    "openapi": "Print the OpenAPI document of the HTTP API.",
    "permissions": "Print the rights that the service and the broker need of Kubernetes, "
    "for exactly the plugins in the settings.",
    "pipeline": "Print the steps of a spawn: their order, why each is where it is, and what runs side by side.",
    "plugins": "Print the installed plugins, where each is from, whether the settings load it, and its steps.",
    "proxy": "Run the proxy of Dask clusters until it is asked to end (SIGTERM, Ctrl-C).",
    "serve": "Run the service until it is asked to end (SIGTERM, Ctrl-C).",
    "try_": "Rehearse what users would get: make the manifests of each choice, and tell every refusal at once.",
    "user": "Make users known to a running service, look at them, and retire them.",
}
"""The first line of each subcommand's help, by its module; a name that Python keeps for itself has an underscore.
A package has its subcommand in the module ``command``.
"""


def _name(module: str) -> str:
    return module.partition(".")[0].removesuffix("_")


class _Subcommands(MutableMapping[str, click.Command]):
    """The subcommands by name. A module is imported when its subcommand is looked at: the proxy needs few of all."""

    def __init__(self) -> None:
        self._modules = {_name(module): module for module in _MODULES}

    def __getitem__(self, name: str) -> click.Command:
        module = self._modules[name]
        found: click.Command = getattr(import_module(f"spawnpenny.cli.{module}"), module.partition(".")[0])
        return found

    def __setitem__(self, name: str, subcommand: click.Command) -> None:
        raise TypeError("a subcommand is a module of its own")

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


class _LazyGroup(click.Group):
    """List the subcommands without importing any."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = {_name(module): line for module, line in _MODULES.items()}
        limit = formatter.width - 6 - max(map(len, lines))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, click.Command(name, help=line).get_short_help_str(limit)) for name, line in lines.items()]
            )


@click.group(cls=_LazyGroup, commands=_Subcommands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("spawnpenny"), message="%(version)s")
def command() -> None:
    """Spawn labs and Dask clusters for JupyterHub, so that the Hub needs no Kubernetes rights."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; an error is printed to stderr as one sentence."""
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
