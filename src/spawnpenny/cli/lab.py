"""``spawnpenny lab``: labs of a running service, started, followed and stopped over its HTTP API."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final, TypedDict, Unpack

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spawnpenny.cli.exits import DONE, FAILED, CommandError, UsageError
from spawnpenny.cli.printable import printable
from spawnpenny.cli.progress import print_json, show, show_lines
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.starting import LAB_TOKEN, new_lab_token, refused_start, url_to_open
from spawnpenny.cli.stopping import is_gone, stop_options
from spawnpenny.cli.variables import lab_environment, pairs
from spawnpenny.clients.http import DEFAULT_LAB, Client, Lab, ProblemError, new_start

_LARGEST_PAGE: Final = 500

_user = click.argument("user")
_name = click.argument("name", metavar="[LAB]", default=DEFAULT_LAB)


class Wanted(TypedDict):
    """The content of a start request."""

    size: str | None
    image: str | None
    options: tuple[str, ...]
    names: tuple[str, ...]
    files: tuple[str, ...]
    replace: bool
    timeout: float | None


@click.group()
def lab() -> None:
    """Start, follow, list and stop labs of a running service."""


@lab.command()
@_user
@_name
@service_options
@output_option
@click.option("--size", help="One of the site's sizes.")
@click.option("--image", help="One of the site's images.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Another choice; may come again.")
@click.option("--env", "names", multiple=True, metavar="NAME", help="A variable for the lab, out of the environment.")
@click.option("--env-file", "files", multiple=True, metavar="FILE", help="A file with NAME=VALUE in each line.")
@click.option("--replace", is_flag=True, help="Stop another start of this lab first.")
@click.option("--timeout", type=click.FloatRange(10, 86_400), metavar="SECONDS", help="How long it may take.")
@click.option("--wait/--no-wait", default=True, help="Follow it until it runs or has failed.")
def start(*, target: Target, user: str, name: str, output: str, wait: bool, **wanted: Unpack[Wanted]) -> int:
    """Start a lab, and show its progress until it runs or has failed. Its URL is all that goes to stdout.

    Without a JUPYTER_TOKEN in the lab's environment, the command makes one, and the URL has it.
    """
    options = _options(wanted)
    env, begun = lab_environment(wanted["names"], wanted["files"]), new_start()
    token = None if LAB_TOKEN in env else new_lab_token()
    if token is not None:
        env[LAB_TOKEN] = token

    async def work(client: Client) -> int:
        try:
            started = await client.start_lab(
                user, name, start=begun, options=options, env=env, patience=wanted["timeout"], replace=wanted["replace"]
            )
        except ProblemError as error:
            raise await refused_start(client, user, name, error) from None
        if not wait:
            click.echo(_json(started, token) if output == "json" else f"{user}'s lab {name} is starting.")
            if token is not None and output != "json":
                click.echo(f"Once it runs, open its URL with lab?token={token}", err=True)
            return DONE
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        await show(client.lab_events(user, name), console, f"{user}'s lab {name}")
        return _outcome(await _same(client, user, name, begun), output, token)

    return target.run(
        work,
        interrupted="The lab goes on starting: `spawnpenny lab events` follows it, `spawnpenny lab stop` ends it.",
    )


@lab.command()
@_user
@_name
@service_options
@click.option("--purge", is_flag=True, help="The lab's storage goes as well; needs the scope purge.")
@stop_options
def stop(*, target: Target, user: str, name: str, purge: bool, wait: bool, timeout: float) -> int:
    """Stop a lab, and return when it is gone."""

    async def work(client: Client) -> int:
        async def stop(wait: float, there: Lab | None) -> Lab | None:
            return await client.stop_lab(user, name, start=there.start if there else None, purge=purge, wait=wait)

        gone = await is_gone(stop, "lab", seconds=timeout if wait else None)
        along = ", and so is its storage" if purge else ""
        click.echo(f"{user}'s lab {name} is {'gone' if gone else 'being stopped'}{along}.")
        return DONE

    return target.run(work, interrupted="The lab goes on being stopped.")


@lab.command()
@_user
@_name
@service_options
@output_option
def status(*, target: Target, user: str, name: str, output: str) -> int:
    """Show a lab: its phase, its URL, the reason if it failed, and its steps."""

    async def work(client: Client) -> None:
        found = await client.lab(user, name)
        if output == "json":
            click.echo(_json(found))
        else:
            _show(found)

    return target.run(work)


@lab.command()
@_user
@_name
@service_options
@output_option
@click.option("--follow", is_flag=True, help="Go on while it runs, until it has ended or is gone.")
@click.option("--after", metavar="ID", help="Only what came after the event with this id.")
def events(*, target: Target, user: str, name: str, output: str, after: str | None, follow: bool) -> int:
    """Show what happened to a lab, and go on until it runs, has failed or is gone."""

    async def work(client: Client) -> None:
        found = client.lab_events(user, name, after=after, follow_on=follow)
        await (print_json(found) if output == "json" else show_lines(found, Console(highlight=False, soft_wrap=True)))

    return target.run(work)


@lab.command(name="list")
@click.argument("user", required=False)
@service_options
@output_option
@click.option("--limit", type=click.IntRange(1), metavar="COUNT", help="At most so many; default: all.")
def list_labs(*, target: Target, user: str | None, output: str, limit: int | None) -> int:
    """List the labs of a user, or of all users."""

    async def work(client: Client) -> None:
        labs, unknown = await _listed(client, user, limit)
        if output == "json":
            told = {"labs": [asdict(each) for each in labs], "unknown": unknown}
            click.echo(json.dumps(told, indent=2, ensure_ascii=False))
            return
        table = Table("user", "lab", "phase", "url or reason", box=None)
        for each in labs:
            why = each.reason.message if each.reason else ""
            table.add_row(*map(Text, map(printable, (each.user, each.lab, each.phase, each.url or why))))
        if labs:
            Console(highlight=False, soft_wrap=True).print(table)
        else:
            click.echo("There are no labs.")
        if unknown:
            click.echo(f"Not known, as their records cannot be read: {', '.join(unknown)}.", err=True)

    return target.run(work)


async def _listed(client: Client, user: str | None, limit: int | None) -> tuple[list[Lab], list[str]]:
    if user is not None:
        return list(await client.labs_of(user))[:limit], []
    labs: list[Lab] = []
    unknown: list[str] = []
    async for page in client.pages(limit=min(limit or _LARGEST_PAGE, _LARGEST_PAGE)):
        labs += page.labs
        unknown = [*dict.fromkeys((*unknown, *page.unknown))]
        if limit is not None and len(labs) >= limit:
            break
    return labs[:limit], unknown


async def _same(client: Client, user: str, name: str, start: str) -> Lab:
    """Return the lab, if it is still that start of it."""
    try:
        found = await client.lab(user, name)
    except ProblemError as error:
        if error.code != "lab_not_found":
            raise
        raise CommandError("The lab was stopped while it was starting.") from None
    if found.start != start:
        raise CommandError("Another start took the place of this one.")
    return found


def _outcome(found: Lab, output: str, token: str | None) -> int:
    if output == "json":
        click.echo(_json(found, token))
    elif found.running and found.url:
        click.echo(url_to_open(found.url, token))
    if not found.running:
        why = found.reason.text if found.reason else f"It is {found.phase}."
        click.echo(f"The lab did not start. {printable(why)}", err=True)
    return DONE if found.running else FAILED


def _show(found: Lab) -> None:
    console = Console(highlight=False, soft_wrap=True)
    facts = [("user", found.user), ("lab", found.lab), ("phase", found.phase)]
    facts += [("url", found.url)] if found.url else []
    facts += [("reason", f"{found.reason.text} ({found.reason.code})")] if found.reason else []
    for key, value in facts:
        console.print(Text(f"{key:7} {printable(value)}"))
    if found.steps:
        table = Table("step", "state", "seconds", box=None)
        for step in found.steps:
            table.add_row(Text(step.name), step.state, "" if step.seconds is None else f"{step.seconds:.3f}")
        console.print()
        console.print(table)


def _json(found: Lab, token: str | None = None) -> str:
    made = {} if token is None else {"token": token}
    return json.dumps({**asdict(found), **made}, indent=2, ensure_ascii=False)


def _options(wanted: Wanted) -> dict[str, str]:
    options = pairs(wanted["options"], "--option")
    named = {key: value for key, value in (("size", wanted["size"]), ("image", wanted["image"])) if value is not None}
    if twice := sorted(options.keys() & named):
        raise UsageError(f"--{twice[0]} and --option {twice[0]} are the same choice: give one of them.")
    return options | named
