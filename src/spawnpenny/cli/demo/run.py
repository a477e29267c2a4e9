"""Run the demo: the service, a user, a Hub or a lab, Dask, and what the user reads about them."""

from __future__ import annotations

import asyncio
import os
import time
from textwrap import indent
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from spawnpenny.cli.demo import dask
from spawnpenny.cli.demo.dask import DemoDask
from spawnpenny.cli.demo.hub import DemoHub, missing_requirement
from spawnpenny.cli.demo.kernel import run_cell
from spawnpenny.cli.demo.pods import reserve_port
from spawnpenny.cli.demo.visit import Visit
from spawnpenny.cli.exits import CommandError
from spawnpenny.cli.progress import print_events
from spawnpenny.cli.runtime import serving
from spawnpenny.cli.service import command_error
from spawnpenny.clients.http import Client, ClientError, Group, Lab, Reason, new_start

if TYPE_CHECKING:
    from rich.console import Console

    from spawnpenny.cli.demo.site import DemoSite
    from spawnpenny.kubernetes.interface import Cluster

_CELL: Final = "6*7"
_STOP_WAIT: Final = 60
_DASK_PATIENCE: Final = 180.0


class Demo:
    """One run of the demo.

    Args:
        site: The settings and users.
        console: The console for messages.
        ports: The ports of the service and of the Hub.
        once: Run cells in a lab and end, instead of waiting for the user.

    """

    def __init__(self, site: DemoSite, console: Console, *, ports: tuple[int, int], once: bool) -> None:
        self._site = site
        self._console = console
        self._port, self._hub_port = ports
        self._once = once
        self._dask: DemoDask | None = None
        self._smallest_uid = 0

    async def run(self) -> None:
        """Run the demo: to its end with ``once``, else until it is cancelled.

        Raises:
            CommandError: A part of the demo failed.

        """
        port = reserve_port(self._port)  # before the service listens, as labs get its address
        if port != self._port != 0:
            self._say(f"Port {self._port} is in use; the service gets port {port}.")
        if not self._site.has_dask:
            self._say("Dask is not available: the settings do not name the plugin dask.")
        elif (missing := dask.missing_requirement()) is None:
            self._dask = DemoDask(port)
        else:
            self._say(f"Dask is not available: {escape(missing)}.")
        settings, notices = self._site.settings(port, self._dask)
        self._smallest_uid = settings.users.min_uid
        if self._site.site.data:
            self._say(f"Settings: {escape(self._site.site.source)}, with the plugins {', '.join(settings.plugins)}.")
        for notice in notices:
            self._say(f"  {escape(notice)}")
        async with serving(settings, extra=self._site.plugins) as served:
            try:
                async with Client(f"http://127.0.0.1:{port}", self._site.token) as client:
                    await self._play(client, served.cluster)
            except ClientError as error:
                raise command_error(error) from None

    async def _play(self, client: Client, cluster: Cluster) -> None:
        self._say(f"The service runs at {client.url} (its API: {client.url}/docs).")
        await client.until_ready()
        if self._dask is not None:
            await self._dask.start(cluster)
            self._say("The proxy runs, too. It leads to Dask clusters and their dashboards.")
        await self._commission(client)
        if (missing := missing_requirement()) is None:
            await self._with_hub(client, cluster)
        else:
            self._say(f"\nJupyterHub is not available: {escape(missing)}.")
            await self._without_hub(client)

    async def _with_hub(self, client: Client, cluster: Cluster) -> None:
        hub = DemoHub(self._site.user, reserve_port(self._hub_port), self._site.hub_token)
        if hub.port != self._hub_port != 0:
            self._say(f"Port {self._hub_port} is in use; the Hub gets port {hub.port}.")
        self._say("\n[bold]Starting JupyterHub, which spawns labs through the service[/bold]")
        await hub.start(cluster, client.url)
        self._say(f"JupyterHub runs at {hub.url}, without any right in the cluster.")
        if self._once:
            await self._visit(client, hub)
        else:
            self._explain_hub(client, hub)
            await asyncio.Event().wait()

    async def _without_hub(self, client: Client) -> None:
        lab = await self._spawn(client)
        if self._once:
            await self._use(client, lab)
        else:
            self._explain_lab(client, lab)
            await asyncio.Event().wait()

    async def _commission(self, client: Client) -> None:
        name, uid = self._site.user, max(os.getuid(), self._smallest_uid)
        self._say(f"\n[bold]Commissioning {escape(name)}[/bold]")
        await client.commission(name, uid=uid, gid=uid, groups=[Group("demo", uid)])
        await print_events(client.user_events(name), self._console)
        user = await client.user(name)
        if user.status != "active":
            raise CommandError(f"The user could not be commissioned. {_text_of(user.reason)}")

    async def _spawn(self, client: Client) -> Lab:
        name = self._site.user
        self._say("\n[bold]Spawning a JupyterLab[/bold]")
        await client.start_lab(name, start=new_start(), env={"JUPYTER_TOKEN": self._site.lab_token})
        await print_events(client.lab_events(name), self._console)
        lab = await client.lab(name)
        if not lab.running:
            raise CommandError(f"The lab did not start. {_text_of(lab.reason)}")
        return lab

    async def _visit(self, client: Client, hub: DemoHub) -> None:
        self._say(f"\n[bold]Spawning a JupyterLab at the Hub, as {escape(self._site.user)}[/bold]")
        async with Visit(hub.url, self._site.user, hub.password) as visit:
            await visit.start()
            async for message in visit.progress():
                self._say(f"  {escape(message)}")
            await self._use_kernel(client, await visit.server(), visit.token)
            started = time.monotonic()
            await visit.stop()
        self._say(f"\nThe lab was stopped in {time.monotonic() - started:.2f} s.")

    async def _use(self, client: Client, lab: Lab) -> None:
        await self._use_kernel(client, lab.url or "", self._site.lab_token)
        started = time.monotonic()
        if await client.stop_lab(self._site.user, start=lab.start, wait=_STOP_WAIT) is not None:
            raise CommandError(f"The lab was not gone after {_STOP_WAIT} seconds.")
        self._say(f"\nThe lab was stopped in {time.monotonic() - started:.2f} s.")

    async def _use_kernel(self, client: Client, url: str, token: str) -> None:
        result = await run_cell(url, token, _CELL)
        self._say(f"\nThe lab's kernel answers: {_CELL} = [bold]{escape(result)}[/bold]\n")
        self._show(await client.lab(self._site.user))
        if self._dask is not None:
            self._say("\n[bold]A Dask cluster, from a cell in the lab[/bold]")
            self._say(_indented(dask.CELL))
            started = time.monotonic()
            result = await run_cell(url, token, dask.CELL, patience=_DASK_PATIENCE)
            self._say(
                f"Its two workers answer: [bold]{escape(result)}[/bold], after {time.monotonic() - started:.2f} s."
            )

    def _show(self, lab: Lab) -> None:
        table = Table("step", "state", "seconds", box=None)
        for step in lab.steps:
            table.add_row(step.name, step.state, "" if step.seconds is None else f"{step.seconds:.3f}")
        self._console.print(table)

    def _explain_hub(self, client: Client, hub: DemoHub) -> None:
        self._say("\n[bold]Open JupyterHub, and start a server:[/bold]")
        self._say(f"  {hub.url}")
        self._say(f"  user: {escape(self._site.user)} (or any other name)")
        self._say(f"  password: {hub.password}")
        self._explain_dask()
        self._explain_second_user(client)
        self._explain_end()

    def _explain_lab(self, client: Client, lab: Lab) -> None:
        self._say("\n[bold]The lab runs:[/bold]")
        self._say(f"  {lab.url}lab?token={self._site.lab_token}")
        self._explain_dask()
        self._explain_second_user(client)
        self._explain_end()

    def _explain_dask(self) -> None:
        if self._dask is None:
            return
        self._say("\n[bold]Start a Dask cluster in a notebook of any lab:[/bold]")
        self._say(_indented(dask.CELL))
        self._say("The URL of its dashboard is cluster.dashboard_link")

    def _explain_second_user(self, client: Client) -> None:
        other = "grace" if self._site.user != "grace" else "ada"
        self._say(f"\n[bold]Start a lab of a second user, {other}, without the Hub, in another terminal:[/bold]")
        self._say(f"  export SPAWNPENNY_URL={client.url}")
        self._say(f"  export SPAWNPENNY_TOKEN={self._site.token}")
        self._say(f"  spawnpenny lab start {other}")
        self._say(f"  spawnpenny lab stop {other}")
        self._say(f"The HTTP API does the same: {client.url}/docs")

    def _explain_end(self) -> None:
        if self._site.has_homes:
            self._say(f"\nThe home directories of the users are in {escape(str(self._site.homes))}")
        self._say("Ctrl-C ends the demo and all its processes.")

    def _say(self, text: str) -> None:
        self._console.print(text)


def _indented(code: str) -> str:
    return escape(indent(code, "  "))


def _text_of(reason: Reason | None) -> str:
    return reason.text if reason else "The service gave no reason."
