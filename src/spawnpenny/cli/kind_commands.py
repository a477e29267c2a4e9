"""``spawnpenny KIND``: start, follow, scale and stop spawns of a kind of a running service, over its HTTP API.

The service says which kinds it has, so that the command needs no plugin.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Final, TypedDict, Unpack

import click
from rich.console import Console

from spawnpenny.cli.exits import DONE, FAILED, CommandError, UsageError
from spawnpenny.cli.kind_options import chosen_options, named_user, owner_of
from spawnpenny.cli.kind_tables import spawn_facts, spawn_table
from spawnpenny.cli.printable import printable
from spawnpenny.cli.progress import print_events, print_json, show
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.stopping import is_gone, stop_options
from spawnpenny.cli.variables import lab_environment
from spawnpenny.clients.http import Client, KindSpawn, ProblemError, Spawns, new_start

_LARGEST_PAGE: Final = 500
_READERS: Final = frozenset({"read:any", "admin"})
_STATES: Final = {"undoing": "has failed", "failed": "has failed", "exited": "has ended"}
_ENDED_WELL: Final = frozenset({"running", "succeeded"})

Work = Callable[[Client, Spawns], Awaitable[int | None]]

_name = click.argument("name", metavar="NAME")
_user = click.option("--user", metavar="USER", help="The user who has it; default: the user of the token.")


class StartRequest(TypedDict):
    """The options of a start."""

    options: tuple[str, ...]
    json_options: tuple[str, ...]
    names: tuple[str, ...]
    files: tuple[str, ...]
    workers: int | None
    replace: bool
    timeout: float | None


def kind_group(name: str) -> click.Group:
    """Return the subcommands for a kind."""
    group = click.Group(
        name, help=f"Start, follow, list, scale and stop spawns of the kind {name} of a running service."
    )
    for make in (_start, _list, _status, _events, _dashboard, _scale, _stop):
        group.add_command(make(name))
    return group


def _start(kind: str) -> click.Command:
    @click.command(name="start")
    @_name
    @_user
    @service_options
    @output_option
    @click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A choice; can be repeated.")
    @click.option(
        "--json", "json_options", multiple=True, metavar="KEY=JSON", help="A choice that is no text; can be repeated."
    )
    @click.option("--workers", type=click.IntRange(0), metavar="COUNT", help="The workers to begin with.")
    @click.option(
        "--env", "names", multiple=True, metavar="NAME", help="A variable of the environment; can be repeated."
    )
    @click.option(
        "--env-file", "files", multiple=True, metavar="FILE", help="A file with lines NAME=VALUE; can be repeated."
    )
    @click.option("--replace", is_flag=True, help="Stop an earlier start of it first.")
    @click.option("--timeout", type=click.FloatRange(10, 86_400), metavar="SECONDS", help="Time limit of the start.")
    @click.option(
        "--wait/--no-wait", default=True, help="Follow it until it runs, or has ended by itself; the default."
    )
    def start(
        *, target: Target, name: str, user: str | None, output: str, wait: bool, **request: Unpack[StartRequest]
    ) -> int:
        """Start one, and show its progress. Only its URL goes to stdout."""
        options = chosen_options(request["options"], request["json_options"])
        env, start_id = lab_environment(request["names"], request["files"]), new_start()

        async def work(client: Client, spawns: Spawns) -> int:
            if request["workers"] is not None and not spawns.kind.scales:
                raise UsageError(f"A {spawns.kind.title} has no workers. Leave out --workers.")
            owner = await owner_of(client, user)
            found = await spawns.start(
                owner,
                name,
                start=start_id,
                options=options,
                env=env,
                workers=request["workers"],
                patience=request["timeout"],
                replace=request["replace"],
            )
            described = f"{owner}'s {spawns.kind.title} {found.name}"
            if not wait:
                click.echo(_json(found) if output == "json" else f"{described} is starting.")
                return DONE
            events = spawns.events(owner, found.name, follow_on=spawns.kind.completes)
            await show(events, Console(stderr=True, highlight=False, soft_wrap=True), described)
            return _outcome(await _same_start(spawns, owner, found.name, start_id), described, output)

        interrupted = f"It keeps starting. `spawnpenny {kind} events` follows it, `spawnpenny {kind} stop` stops it."
        return _run(target, kind, work, interrupted=interrupted)

    return start


def _list(kind: str) -> click.Command:
    @click.command(name="list")
    @click.argument("user", required=False)
    @click.option("--user", "named", metavar="USER", help="The same as USER.")
    @service_options
    @output_option
    @click.option("--status", "phases", metavar="PHASE", help="Only those in these phases, separated by commas.")
    @click.option("--limit", type=click.IntRange(1), metavar="COUNT", help="List at most this many; default: all.")
    def list_spawns(
        *, target: Target, user: str | None, named: str | None, output: str, phases: str | None, limit: int | None
    ) -> int:
        """List those of a user, or of all users."""
        owner = named_user(user, named)

        async def work(client: Client, spawns: Spawns) -> None:
            found, unknown = await _listed(client, spawns, owner, phases, limit)
            if output == "json":
                listed = {"spawns": [asdict(spawn) for spawn in found], "unknown": unknown}
                click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
                return
            none = f"There is no {spawns.kind.title}."
            click.echo("\n".join(spawn_table(spawns.kind, found)) if found else none)
            if unknown:
                click.echo(f"Users whose records cannot be read: {', '.join(unknown)}.", err=True)

        return _run(target, kind, work)

    return list_spawns


def _status(kind: str) -> click.Command:
    @click.command(name="status")
    @_name
    @_user
    @service_options
    @output_option
    def status(*, target: Target, name: str, user: str | None, output: str) -> int:
        """Show one: its phase, URL, reason, details and steps."""

        async def work(client: Client, spawns: Spawns) -> None:
            found = await spawns.get(await owner_of(client, user), name)
            click.echo(_json(found) if output == "json" else "\n".join(spawn_facts(spawns.kind, found)))

        return _run(target, kind, work)

    return status


def _events(kind: str) -> click.Command:
    @click.command(name="events")
    @_name
    @_user
    @service_options
    @output_option
    @click.option("--follow", is_flag=True, help="Go on while it runs, until it has ended or is gone.")
    @click.option("--after", metavar="ID", help="Only events after the one with this id.")
    def events(*, target: Target, name: str, user: str | None, output: str, after: str | None, follow: bool) -> int:
        """Show its events, until it runs, has failed or is gone."""

        async def work(client: Client, spawns: Spawns) -> None:
            found = spawns.events(await owner_of(client, user), name, after=after, follow_on=follow)
            console = Console(highlight=False, soft_wrap=True)
            await (print_json(found) if output == "json" else print_events(found, console))

        return _run(target, kind, work)

    return events


def _dashboard(kind: str) -> click.Command:
    @click.command(name="dashboard")
    @_name
    @_user
    @service_options
    def dashboard(*, target: Target, name: str, user: str | None) -> int:
        """Print a new link to its dashboard, for one browser."""

        async def work(client: Client, spawns: Spawns) -> None:
            owner = await owner_of(client, user)
            if not spawns.kind.dashboard:
                raise UsageError(f"A {spawns.kind.title} has no dashboard with such links.")
            link = await spawns.dashboard_link(owner, name)
            if link is None:
                raise CommandError("Browsers reach no dashboards here: the setting gateway.public_address is missing.")
            click.echo(link)

        return _run(target, kind, work)

    return dashboard


def _scale(kind: str) -> click.Command:
    @click.command(name="scale")
    @_name
    @click.argument("count", type=click.IntRange(0))
    @_user
    @service_options
    @click.option("--group", metavar="NAME", help="A worker group of the site; default: the group named default.")
    def scale(*, target: Target, name: str, count: int, user: str | None, group: str | None) -> int:
        """Set its number of workers."""

        async def work(client: Client, spawns: Spawns) -> int:
            if not spawns.kind.scales:
                raise UsageError(f"A {spawns.kind.title} has no workers.")
            owner = await owner_of(client, user)
            cut = await spawns.scale(owner, name, count, group=group)
            if cut is not None:
                raise CommandError(cut)
            workers = "1 worker" if count == 1 else f"{count} workers"
            click.echo(f"{owner}'s {spawns.kind.title} {name} scales to {workers}.")
            return DONE

        return _run(target, kind, work)

    return scale


def _stop(kind: str) -> click.Command:
    @click.command(name="stop")
    @_name
    @_user
    @service_options
    @stop_options
    def stop(*, target: Target, name: str, user: str | None, wait: bool, timeout: float) -> int:
        """Stop one, and wait until it is gone."""

        async def work(client: Client, spawns: Spawns) -> int:
            owner = await owner_of(client, user)

            async def send(wait: float, existing: KindSpawn | None) -> KindSpawn | None:
                return await spawns.stop(owner, name, start=existing.start if existing else None, wait=wait)

            gone = await is_gone(send, spawns.kind.title, seconds=timeout if wait else None)
            click.echo(f"{owner}'s {spawns.kind.title} {name} is {'gone' if gone else 'being stopped'}.")
            return DONE

        return _run(target, kind, work, interrupted="The service keeps stopping it.")

    return stop


def _run(target: Target, kind: str, work: Work, *, interrupted: str = "") -> int:
    """Run some work for a kind of the service.

    Raises:
        UsageError: The service has no such kind.

    """

    async def with_kind(client: Client) -> int | None:
        kinds = {found.name: found for found in await client.kinds() if found.available}
        if kind not in kinds:
            raise UsageError(f"There is no subcommand {kind!r}, and the service has no such kind: {', '.join(kinds)}.")
        return await work(client, client.spawns(kinds[kind]))

    return target.run(with_kind, interrupted=interrupted)


async def _listed(
    client: Client, spawns: Spawns, owner: str | None, phases: str | None, limit: int | None
) -> tuple[Sequence[KindSpawn], list[str]]:
    chosen = () if phases is None else tuple(phases.split(","))
    if owner is None:
        caller = await client.whoami()
        owner = None if caller.scopes & _READERS else await owner_of(client, None)
    if owner is not None:
        return (await spawns.of(owner, phases=chosen))[:limit], []
    found: list[KindSpawn] = []
    unknown: list[str] = []
    async for page in spawns.pages(limit=min(limit or _LARGEST_PAGE, _LARGEST_PAGE), phases=chosen):
        found += page.spawns
        unknown = [*dict.fromkeys((*unknown, *page.unknown))]
        if limit is not None and len(found) >= limit:
            break
    return found[:limit], unknown


async def _same_start(spawns: Spawns, owner: str, name: str, start: str) -> KindSpawn:
    """Return the spawn if it is still the one of this start."""
    try:
        found = await spawns.get(owner, name)
    except ProblemError as error:
        if error.code != f"{spawns.kind.name}_not_found":
            raise
        raise CommandError("It was stopped while it was starting.") from None
    if found.start not in {"", start}:
        raise CommandError("Another start has replaced this one.")
    return found


def _outcome(found: KindSpawn, described: str, output: str) -> int:
    if output == "json":
        click.echo(_json(found))
    elif found.running and found.url:
        click.echo(found.url)
    if found.phase in _ENDED_WELL:
        return DONE
    state = _STATES.get(found.phase, f"is {found.phase}")
    why = f" {printable(found.reason.text)}" if found.reason else ""
    click.echo(f"{described} {state}.{why}", err=True)
    return FAILED


def _json(found: KindSpawn) -> str:
    return json.dumps(asdict(found), indent=2, ensure_ascii=False)
