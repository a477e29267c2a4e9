"""``spawnpenny demo``: run everything on this machine, without Kubernetes and without rights."""

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
from spawnpenny.embedded.node.orphans import end_orphans
from spawnpenny.errors import InvalidNameError


@click.command()
@click.option("--once", is_flag=True, help="Run cells in a lab, one of them with Dask; stop the lab, and end.")
@click.option("--clean", is_flag=True, help="Only end processes that a killed demo left running.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The port of the service.")
@click.option(
    "--hub-port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port of JupyterHub."
)
@click.option("--user", default="ada", show_default=True, metavar="NAME", help="The user of the lab.")
@settings_option
@click.option("--verbose", is_flag=True, help="Show the service's log.")
def demo(*, once: bool, clean: bool, port: int, hub_port: int, user: str, file: str | None, verbose: bool) -> int:
    """Run the service and a JupyterHub on this machine.

    The service uses an embedded cluster, and the Hub spawns labs through it. With --settings it uses the plugins,
    profiles and orders of a site, as far as they work on one machine.

    Without Node.js, which the Hub's proxy needs, it starts a JupyterLab by the service's own API instead. Everything
    listens on 127.0.0.0/8. Ctrl-C ends the demo and all its processes.
    """
    user = user.lower()  # as JupyterHub normalizes names
    _check(user)
    folder = state_folder() / "demo"
    console = Console(highlight=False, soft_wrap=True)
    if clean:
        ended = end_orphans(folder / "cluster")
        console.print(f"Ended {ended} left-over process{'' if ended == 1 else 'es'}.")
        return exits.DONE
    if importlib.util.find_spec("jupyterlab") is None:
        raise exits.UsageError("The demo needs JupyterLab. To install it: pip install 'spawnpenny[demo]'")
    site = DemoSite(folder, user, SiteSettings.read(file, os.environ))
    configure_logs("console", level="INFO" if verbose else "ERROR", stream=sys.stderr)
    finished = run_until_signal(Demo(site, console, ports=(port, hub_port), once=once).run())
    if not finished:
        with suppress(OSError):  # the terminal may be closed
            console.print("The demo has ended; no process of it is left.")
    return exits.DONE if finished or not once else exits.FAILED


def _check(user: str) -> None:
    try:
        check_username(user)
    except InvalidNameError as error:
        raise exits.UsageError(f"--user: {error.message}") from None
