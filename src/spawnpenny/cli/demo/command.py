"""``spawnpenny demo``: everything on this machine, without Kubernetes and without rights."""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import suppress

import click
from rich.console import Console

from spawnpenny.cli import exits
from spawnpenny.cli.demo.run import Demo
from spawnpenny.cli.demo.site import DemoSite
from spawnpenny.cli.demo.site_settings import SiteSettings
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.options import settings_option
from spawnpenny.cli.runtime import state_folder
from spawnpenny.cli.signals import run_until_signal
from spawnpenny.domain.names import check_username
from spawnpenny.embedded.node.orphans import clean as clean_up
from spawnpenny.errors import InvalidNameError


@click.command()
@click.option("--once", is_flag=True, help="Run cells in the lab, one of them with Dask, stop the lab, and end.")
@click.option("--clean", is_flag=True, help="End what a killed demo left running, and do nothing else.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Of the service.")
@click.option("--hub-port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Of JupyterHub.")
@click.option("--user", default="ada", show_default=True, metavar="NAME", help="Whom the lab is for.")
@settings_option
@click.option("--verbose", is_flag=True, help="Show the service's log.")
def demo(*, once: bool, clean: bool, port: int, hub_port: int, user: str, file: str | None, verbose: bool) -> int:
    """Start the service on an embedded cluster, and a JupyterHub that spawns through it.

    With --settings it has the plugins, profiles and orders of a site, as far as one machine can.

    Where there is no Node.js for the Hub's proxy, it spawns a JupyterLab by the service's own API instead.
    Everything listens on 127.0.0.0/8. Ctrl-C ends it, with all that it started.
    """
    user = user.lower()  # as JupyterHub has names
    _check(user)
    folder = state_folder() / "demo"
    console = Console(highlight=False, soft_wrap=True)
    if clean:
        ended = clean_up(folder / "cluster")
        console.print(f"{ended} left-over process{'' if ended == 1 else 'es'} ended.")
        return exits.DONE
    if importlib.util.find_spec("jupyterlab") is None:
        raise exits.UsageError("The demo needs JupyterLab, which comes with: pip install 'spawnpenny[demo]'")
    site = DemoSite(folder, user, SiteSettings.read(file, os.environ))
    configure_logs("console", level="INFO" if verbose else "ERROR", stream=sys.stderr)
    finished = run_until_signal(Demo(site, console, ports=(port, hub_port), once=once).run())
    if not finished:
        with suppress(OSError):  # the terminal may be closed
            console.print("Ended; nothing is left running.")
    return exits.DONE if finished or not once else exits.FAILED


def _check(user: str) -> None:
    try:
        check_username(user)
    except InvalidNameError as error:
        raise exits.UsageError(f"--user: {error.message}") from None
