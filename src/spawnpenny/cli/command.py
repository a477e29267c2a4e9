"""The command and its subcommands, and how its errors are told."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from spawnpenny.cli import exits
from spawnpenny.cli.broker import broker
from spawnpenny.cli.check import check
from spawnpenny.cli.dask import dask
from spawnpenny.cli.demo import demo
from spawnpenny.cli.doctor import doctor
from spawnpenny.cli.lab import lab
from spawnpenny.cli.migrate import migrate
from spawnpenny.cli.openapi import openapi
from spawnpenny.cli.permissions import permissions
from spawnpenny.cli.pipeline import pipeline
from spawnpenny.cli.plugins import plugins
from spawnpenny.cli.proxy import proxy
from spawnpenny.cli.serve import serve
from spawnpenny.cli.try_ import try_
from spawnpenny.cli.user import user
from spawnpenny.errors import SpawnpennyError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("spawnpenny"), message="%(version)s")
def command() -> None:
    """Spawn labs and Dask clusters for JupyterHub, so that the Hub needs no Kubernetes rights."""


command.add_command(broker)
command.add_command(check)
command.add_command(dask)
command.add_command(demo)
command.add_command(doctor)
command.add_command(lab)
command.add_command(migrate)
command.add_command(openapi)
command.add_command(permissions)
command.add_command(pipeline)
command.add_command(plugins)
command.add_command(proxy)
command.add_command(serve)
command.add_command(try_)
command.add_command(user)


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
