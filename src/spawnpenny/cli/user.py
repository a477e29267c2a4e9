"""``spawnpenny user``: users of a running service, made known and looked at over its HTTP API."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console

from spawnpenny.cli.exits import DONE, FAILED, CommandError, UsageError
from spawnpenny.cli.progress import print_json, show, show_lines
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.variables import pairs
from spawnpenny.clients.http import Client, Group, User

_name = click.argument("name", metavar="USER")


@click.group()
def user() -> None:
    """Make users known to a running service, look at them, and retire them."""


@user.command()
@_name
@service_options
@output_option
@click.option("--uid", type=int, required=True, help="The user's uid.")
@click.option("--gid", type=int, help="The user's gid; default: the site's.")
@click.option("--group", "groups", multiple=True, metavar="NAME=GID", help="A further group; may come again.")
@click.option("--wait/--no-wait", default=True, help="Follow it until the site's orders are done.")
def commission(
    *, target: Target, name: str, output: str, uid: int, gid: int | None, groups: tuple[str, ...], wait: bool
) -> int:
    """Make a user known, and have the site's orders run: the home directory and whatever else the site gives."""
    desired = _groups(groups)

    async def work(client: Client) -> int:
        found = await client.commission(name, uid=uid, gid=gid, groups=desired)
        if wait:
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            await show(client.user_events(name), console, name)
            found = await client.user(name)
        _show(found, output)
        return FAILED if found.status == "failed" else DONE

    return target.run(work, interrupted="The orders go on: `spawnpenny user events` follows them.")


@user.command()
@_name
@service_options
@click.option("--purge", is_flag=True, help="The user's storage goes as well; needs the scope purge.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is done.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True, help="Seconds.")
def retire(*, target: Target, name: str, purge: bool, wait: bool, timeout: float) -> int:
    """Retire a user who has no lab: the site's orders run, and the user's namespace goes."""

    async def work(client: Client) -> None:
        there = await client.retire(name, purge=purge, wait=timeout if wait else 0)
        if there is not None and there.status == "failed":
            raise CommandError(there.reason.message if there.reason else f"{name} could not be retired.")
        if there is not None and wait:
            raise CommandError(f"{name} was not retired after {timeout:g} seconds; it goes on.")
        click.echo(f"{name} is {'being retired' if there else 'retired'}.")

    return target.run(work, interrupted="The user goes on being retired.")


@user.command(name="show")
@_name
@service_options
@output_option
def show_user(*, target: Target, name: str, output: str) -> int:
    """Show a user's dossier, and how far commissioning is."""

    async def work(client: Client) -> None:
        _show(await client.user(name), output)

    return target.run(work)


@user.command()
@_name
@service_options
@output_option
@click.option("--after", metavar="ID", help="Only what came after the event with this id.")
def events(*, target: Target, name: str, output: str, after: str | None) -> int:
    """Show what happens in a user's commissioning, until the user is active or it has failed."""

    async def work(client: Client) -> None:
        found = client.user_events(name, after=after)
        await (print_json(found) if output == "json" else show_lines(found, Console(highlight=False, soft_wrap=True)))

    return target.run(work)


def _groups(texts: tuple[str, ...]) -> list[Group]:
    found = pairs(texts, "--group")
    if wrong := next((text for text in found.values() if not text.isdecimal()), None):
        raise UsageError(f"--group takes NAME=GID, and {wrong!r} is no gid.")
    return [Group(name, int(number)) for name, number in found.items()]


def _show(found: User, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    groups = ", ".join(f"{group.name} ({group.id})" for group in found.groups)
    facts = [("user", found.username), ("status", found.status), ("uid", found.uid), ("gid", found.gid)]
    facts += [("groups", groups)] if groups else []
    facts += [("reason", f"{found.reason.message} ({found.reason.code})")] if found.reason else []
    for key, value in facts:
        click.echo(f"{key:7} {value}")
