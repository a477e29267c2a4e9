"""``spawnpenny user``: commission, show and retire users of a running service, over its HTTP API."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console

from spawnpenny.cli.exits import DONE, FAILED, CommandError, UsageError
from spawnpenny.cli.progress import print_events, print_json, show
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.variables import pairs
from spawnpenny.clients.http import Client, Group, User

_name = click.argument("name", metavar="USER")


@click.group()
def user() -> None:
    """Commission, show and retire users of a running service."""


@user.command()
@_name
@service_options
@output_option
@click.option("--uid", type=int, required=True, help="The user's uid.")
@click.option("--gid", type=int, help="The user's gid; default: the setting users.gid.")
@click.option(
    "--group", "groups", multiple=True, metavar="NAME=GID", help="Another group of the user; can be repeated."
)
@click.option("--wait/--no-wait", default=True, help="Follow the site's order until it is done; the default.")
def commission(
    *, target: Target, name: str, output: str, uid: int, gid: int | None, groups: tuple[str, ...], wait: bool
) -> int:
    """Commission a user.

    The service runs the site's order, which may make a home directory, for example.
    """
    desired = _groups(groups)

    async def work(client: Client) -> int:
        found = await client.commission(name, uid=uid, gid=gid, groups=desired)
        if wait:
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            await show(client.user_events(name), console, name)
            found = await client.user(name)
        _show(found, output)
        return FAILED if found.status == "failed" else DONE

    return target.run(work, interrupted="The order keeps running. `spawnpenny user events` follows it.")


@user.command()
@_name
@service_options
@click.option("--purge", is_flag=True, help="Delete the user's storage, too; needs the scope purge.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is done; the default.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit.",
)
def retire(*, target: Target, name: str, purge: bool, wait: bool, timeout: float) -> int:
    """Retire a user who has no lab.

    The service runs the site's order, and deletes the user's namespace if no volume claim is in it.
    """

    async def work(client: Client) -> None:
        existing = await client.retire(name, purge=purge, wait=timeout if wait else 0)
        if existing is not None and existing.status == "failed":
            raise CommandError(existing.reason.message if existing.reason else f"{name} could not be retired.")
        if existing is not None and wait:
            raise CommandError(
                f"{name} was not retired after {timeout:g} seconds. The service keeps retiring the user."
            )
        click.echo(f"{name} is {'being retired' if existing else 'retired'}.")

    return target.run(work, interrupted="The service keeps retiring the user.")


@user.command(name="show")
@_name
@service_options
@output_option
def show_user(*, target: Target, name: str, output: str) -> int:
    """Show a user's dossier and the status of the commissioning."""

    async def work(client: Client) -> None:
        _show(await client.user(name), output)

    return target.run(work)


@user.command()
@_name
@service_options
@output_option
@click.option("--after", metavar="ID", help="Only events after the one with this id.")
def events(*, target: Target, name: str, output: str, after: str | None) -> int:
    """Show the events of a user's commissioning.

    The command goes on until the user is active or the commissioning has failed.
    """

    async def work(client: Client) -> None:
        found = client.user_events(name, after=after)
        await (print_json(found) if output == "json" else print_events(found, Console(highlight=False, soft_wrap=True)))

    return target.run(work)


def _groups(texts: tuple[str, ...]) -> list[Group]:
    found = pairs(texts, "--group")
    if wrong := next((text for text in found.values() if not text.isdecimal()), None):
        raise UsageError(f"--group takes NAME=GID, and {wrong!r} is not a gid.")
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
