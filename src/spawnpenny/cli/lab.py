"""``spawnpenny lab``: start, follow and stop labs of a running service, over its HTTP API."""

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
from spawnpenny.cli.progress import print_events, print_json, show
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.starting import LAB_TOKEN, new_lab_token, refused_start, url_to_open
from spawnpenny.cli.stopping import is_gone, stop_options
from spawnpenny.cli.variables import lab_environment, pairs
from spawnpenny.clients.http import DEFAULT_LAB, Client, Lab, ProblemError, new_start

_LARGEST_PAGE: Final = 500

_user = click.argument("user")
_name = click.argument("name", metavar="[LAB]", default=DEFAULT_LAB)


class StartRequest(TypedDict):
    """The options of a start."""

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
@click.option("--size", metavar="SIZE", help="One of the site's sizes.")
@click.option("--image", metavar="IMAGE", help="One of the site's images.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Another choice; can be repeated.")
@click.option(
    "--env", "names", multiple=True, metavar="NAME", help="A variable of the environment for the lab; can be repeated."
)
@click.option(
    "--env-file", "files", multiple=True, metavar="FILE", help="A file with lines NAME=VALUE; can be repeated."
)
@click.option("--replace", is_flag=True, help="Stop an earlier start of this lab first.")
@click.option("--timeout", type=click.FloatRange(10, 86_400), metavar="SECONDS", help="Time limit of the start.")
@click.option("--wait/--no-wait", default=True, help="Follow the start until the lab runs or has failed; the default.")
def start(*, target: Target, user: str, name: str, output: str, wait: bool, **request: Unpack[StartRequest]) -> int:
    """Start a lab, and show its progress.

    Only the URL of the lab goes to stdout. If the lab's environment has no JUPYTER_TOKEN, the command makes one and
    adds it to the URL.
    """
    options = _options(request)
    env, start_id = lab_environment(request["names"], request["files"]), new_start()
    token = None if LAB_TOKEN in env else new_lab_token()
    if token is not None:
        env[LAB_TOKEN] = token

    async def work(client: Client) -> int:
        try:
            started = await client.start_lab(
                user,
                name,
                start=start_id,
                options=options,
                env=env,
                patience=request["timeout"],
                replace=request["replace"],
            )
        except ProblemError as error:
            raise await refused_start(client, user, name, error) from None
        if not wait:
            click.echo(_json(started, token) if output == "json" else f"{user}'s lab {name} is starting.")
            if token is not None and output != "json":
                click.echo(f"Once it runs, add this to its URL: lab?token={token}", err=True)
            return DONE
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        await show(client.lab_events(user, name), console, f"{user}'s lab {name}")
        return _outcome(await _same_start(client, user, name, start_id), output, token)

    return target.run(
        work,
        interrupted="The lab keeps starting. `spawnpenny lab events` follows it, `spawnpenny lab stop` stops it.",
    )


@lab.command()
@_user
@_name
@service_options
@click.option("--purge", is_flag=True, help="Delete the lab's storage, too; needs the scope purge.")
@stop_options
def stop(*, target: Target, user: str, name: str, purge: bool, wait: bool, timeout: float) -> int:
    """Stop a lab, and wait until it is gone."""

    async def work(client: Client) -> int:
        async def stop(wait: float, existing: Lab | None) -> Lab | None:
            return await client.stop_lab(user, name, start=existing.start if existing else None, purge=purge, wait=wait)

        gone = await is_gone(stop, "lab", seconds=timeout if wait else None)
        storage = ", and so is its storage" if purge else ""
        click.echo(f"{user}'s lab {name} is {'gone' if gone else 'being stopped'}{storage}.")
        return DONE

    return target.run(work, interrupted="The service keeps stopping the lab.")


@lab.command()
@_user
@_name
@service_options
@output_option
def status(*, target: Target, user: str, name: str, output: str) -> int:
    """Show a lab: its phase, URL, reason and steps."""

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
@click.option("--after", metavar="ID", help="Only events after the one with this id.")
def events(*, target: Target, user: str, name: str, output: str, after: str | None, follow: bool) -> int:
    """Show the events of a lab.

    The command goes on until the lab runs, has failed or is gone.
    """

    async def work(client: Client) -> None:
        found = client.lab_events(user, name, after=after, follow_on=follow)
        await (print_json(found) if output == "json" else print_events(found, Console(highlight=False, soft_wrap=True)))

    return target.run(work)


@lab.command(name="list")
@click.argument("user", required=False)
@service_options
@output_option
@click.option("--limit", type=click.IntRange(1), metavar="COUNT", help="List at most this many; default: all.")
def list_labs(*, target: Target, user: str | None, output: str, limit: int | None) -> int:
    """List the labs of a user, or of all users."""

    async def work(client: Client) -> None:
        labs, unknown = await _listed(client, user, limit)
        if output == "json":
            listed = {"labs": [asdict(found) for found in labs], "unknown": unknown}
            click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
            return
        table = Table("user", "lab", "phase", "url or reason", box=None)
        for found in labs:
            reason = found.reason.message if found.reason else ""
            table.add_row(*map(Text, map(printable, (found.user, found.lab, found.phase, found.url or reason))))
        if labs:
            Console(highlight=False, soft_wrap=True).print(table)
        else:
            click.echo("There are no labs.")
        if unknown:
            click.echo(f"Users whose records cannot be read: {', '.join(unknown)}.", err=True)

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


async def _same_start(client: Client, user: str, name: str, start: str) -> Lab:
    """Return the lab if it is still the one of this start."""
    try:
        found = await client.lab(user, name)
    except ProblemError as error:
        if error.code != "lab_not_found":
            raise
        raise CommandError("The lab was stopped while it was starting.") from None
    if found.start != start:
        raise CommandError("Another start has replaced this one.")
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
    secret = {} if token is None else {"token": token}
    return json.dumps({**asdict(found), **secret}, indent=2, ensure_ascii=False)


def _options(request: StartRequest) -> dict[str, str]:
    options = pairs(request["options"], "--option")
    named = {key: value for key, value in (("size", request["size"]), ("image", request["image"])) if value is not None}
    if twice := sorted(options.keys() & named):
        raise UsageError(f"--{twice[0]} and --option {twice[0]} are the same choice. Use only one of them.")
    return options | named
