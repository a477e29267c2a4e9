"""What the demo does, one thing after the other, and how it shows it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

from spawnpenny.cli.demo_client import Client, lab_path, user_path
from spawnpenny.cli.demo_kernel import run_cell
from spawnpenny.cli.exits import CommandError
from spawnpenny.cli.world import serving

if TYPE_CHECKING:
    from rich.console import Console

    from spawnpenny.cli.demo_site import DemoSite

_CELL: Final = "6*7"
_SMALLEST_UID: Final = 1000
_STOP_WAIT: Final = 60
_READY_WAIT: Final = 30.0


class Demo:
    """One demo."""

    def __init__(self, site: DemoSite, console: Console, *, port: int, once: bool) -> None:
        self._site = site
        self._console = console
        self._port = port
        self._once = once

    async def run(self) -> None:
        """Run the demo: to its end with ``once``, else until it is cancelled.

        Raises:
            CommandError: Something did not go as it should.

        """
        async with serving(self._site.settings(self._port), extra=self._site.plugins, move=True) as port:
            if port != self._port != 0:
                self._say(f"Port {self._port} is taken.")
            client = Client(f"http://127.0.0.1:{port}", self._site.token)
            self._say(f"The service runs at {client.url} (its API: {client.url}/docs).")
            await self._until_ready(client)
            await self._commission(client)
            lab = await self._spawn(client)
            if self._once:
                await self._use(client, lab)
            else:
                self._tell_how(client, lab)
                await asyncio.Event().wait()

    async def _until_ready(self, client: Client) -> None:
        deadline = time.monotonic() + _READY_WAIT
        while True:
            try:
                await client.ask("GET", "/readyz")
            except CommandError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                return

    async def _commission(self, client: Client) -> None:
        path = user_path(self._site.user)
        uid = max(os.getuid(), _SMALLEST_UID)
        self._say(f"\n[bold]Commissioning {escape(self._site.user)}[/bold]")
        await client.ask("PUT", path, {"uid": uid, "gid": uid, "groups": [{"name": "demo", "id": uid}]})
        await self._follow(client, f"{path}/events")
        user = await client.ask("GET", path)
        if user["status"] != "active":
            raise CommandError(f"The user could not be commissioned. {_reason(user)}")

    async def _spawn(self, client: Client) -> dict[str, Any]:
        path = lab_path(self._site.user)
        self._say("\n[bold]Spawning a JupyterLab[/bold]")
        body = {"start": secrets.token_hex(8), "env": {"JUPYTER_TOKEN": self._site.lab_token}}
        await client.ask("PUT", path, body)
        await self._follow(client, f"{path}/events")
        lab = await client.ask("GET", path)
        if lab["phase"] != "running":
            raise CommandError(f"The lab did not start. {_reason(lab)}")
        return lab

    async def _follow(self, client: Client, path: str) -> None:
        """Show the events of a spawn as they come."""
        began: float | None = None
        async for event in client.events(path):
            began = event["time"] if began is None else began
            mark = {"done": "[green]", "failed": "[red]", "skipped": "[dim]"}.get(event.get("state", ""), "")
            end = "[/]" if mark else ""
            self._say(f"  {event['time'] - began:6.2f} s  {mark}{escape(event['message'])}{end}")

    async def _use(self, client: Client, lab: dict[str, Any]) -> None:
        result = await run_cell(lab["url"], self._site.lab_token, _CELL)
        self._say(f"\nThe lab's kernel says: {_CELL} = [bold]{escape(result)}[/bold]\n")
        table = Table("step", "state", "seconds", box=None)
        for step in lab["steps"]:
            table.add_row(step["name"], step["state"], "" if step["seconds"] is None else f"{step['seconds']:.3f}")
        self._console.print(table)
        began = time.monotonic()
        await client.ask("DELETE", f"{lab_path(self._site.user)}?wait={_STOP_WAIT}")
        if any(each["user"] == self._site.user for each in (await client.ask("GET", "/v1/labs"))["labs"]):
            raise CommandError(f"The lab was not gone after {_STOP_WAIT} seconds.")
        self._say(f"\nThe lab is gone, after {time.monotonic() - began:.2f} s.")

    def _tell_how(self, client: Client, lab: dict[str, Any]) -> None:
        curl = f"curl -s -H 'Authorization: Bearer {self._site.token}'"
        url = f"{client.url}{lab_path(self._site.user)}"
        self._say("\n[bold]The lab runs:[/bold]")
        self._say(f"  {lab['url']}lab?token={self._site.lab_token}")
        self._say(f"\nIts status:  {escape(curl)} {escape(url)}")
        self._say(f"To stop it:  {escape(curl)} -X DELETE {escape(url)}")
        self._tell_of_another(client, curl)
        self._say(f"\nEach user has a home directory of their own in {escape(str(self._site.homes))}")
        self._say("Ctrl-C ends the demo, with all that it started.")

    def _tell_of_another(self, client: Client, curl: str) -> None:
        other = "grace" if self._site.user != "grace" else "ada"
        token, url = secrets.token_urlsafe(24), f"{client.url}{lab_path(other)}"
        body = json.dumps({"start": secrets.token_hex(8), "env": {"JUPYTER_TOKEN": token}})
        self._say(f"\n[bold]A second lab, for {other}:[/bold]")
        self._say(f"  {escape(curl)} -X PUT -d '{escape(body)}' {escape(url)}")
        self._say(f"Its status, which has its url:  {escape(curl)} {escape(url)}")
        self._say(f"Open that url with lab?token={token} after it.")

    def _say(self, text: str) -> None:
        self._console.print(text)


def _reason(view: dict[str, Any]) -> str:
    reason = view["reason"]
    return reason["message"] if reason else "It gives no reason."
