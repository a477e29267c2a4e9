"""The command and its subcommands, and how its errors are told."""

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

_MODULES: Final = (
    "broker",
    "check",
    "dask",
    "demo",
    "doctor",
    "lab",
    "migrate",
    "openapi",
    "permissions",
    "pipeline",
    "plugins",
    "proxy",
    "serve",
    "try_",
    "user",
)
"""Each has the subcommand of its name; one that Python keeps for itself has an underscore at its end."""


class _Subcommands(MutableMapping[str, click.Command]):
    """The subcommands by name. A module is imported when its subcommand is looked at: the proxy needs few of all."""

    def __init__(self) -> None:
        self._modules = {module.removesuffix("_"): module for module in _MODULES}

    def __getitem__(self, name: str) -> click.Command:
        module = self._modules[name]
        found: click.Command = getattr(import_module(f"spawnpenny.cli.{module}"), module)
        return found

    def __setitem__(self, name: str, subcommand: click.Command) -> None:
        raise TypeError("a subcommand is a module of its own")

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


@click.group(commands=_Subcommands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("spawnpenny"), message="%(version)s")
def command() -> None:
    """Spawn labs and Dask clusters for JupyterHub, so that the Hub needs no Kubernetes rights."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; what goes wrong is told on stderr in a sentence."""
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
