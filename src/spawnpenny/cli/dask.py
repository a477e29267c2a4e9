"""``spawnpenny dask``: Dask clusters of a running service, listed, followed and stopped over its HTTP API."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

import click
from rich.console import Console

from spawnpenny.cli.dask_tables import SORTED_BY, cluster_facts, cluster_lines, sorted_by, worker_lines
from spawnpenny.cli.exits import DONE, CommandError, RefusedError, UsageError
from spawnpenny.cli.progress import print_json, show_lines
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.stopping import is_gone, stop_options
from spawnpenny.clients.clusters import PHASES, Cluster
from spawnpenny.clients.http import Client

_LARGEST_PAGE: Final = 500
_READERS: Final = frozenset({"read:any", "admin"})

_name = click.argument("name", metavar="CLUSTER")
_user = click.option("--user", metavar="USER", help="Whose cluster; default: one's own, or whoever has it.")


@click.group()
def dask() -> None:
    """List, follow and stop Dask clusters of a running service.

    A user's own token is for that user's clusters; an operator's, with the scope read:any, is for those of all.
    """


@dask.command(name="list")
@click.argument("user", required=False)
@click.option("--user", "named", metavar="USER", help="The same as USER.")
@service_options
@output_option
@click.option(
    "--status", "phases", metavar="PHASE", help="Only those of this phase, or of several with commas: running, failed …"
)
@click.option(
    "--sort",
    type=click.Choice(SORTED_BY),
    default="user",
    show_default=True,
    help="What comes first: by name, or the largest or longest first.",
)
@click.option("--limit", type=click.IntRange(1), metavar="COUNT", help="At most so many; default: all.")
def list_clusters(
    *,
    target: Target,
    user: str | None,
    named: str | None,
    output: str,
    phases: str | None,
    sort: str,
    limit: int | None,
) -> int:
    r"""List the Dask clusters of a user, or of all users.

    \b
    Examples:
      spawnpenny dask list
      spawnpenny dask list ada --status running,pending
      spawnpenny dask list --sort idle --limit 10
      spawnpenny dask list --output json | jq '.clusters[].user'
    """
    if user and named and user != named:
        raise UsageError("USER and --user name two users: give one of them.")
    desired = _phases(phases)

    async def work(client: Client) -> None:
        clusters, unknown = await _listed(client, user or named, desired, limit if sort == "user" else None)
        clusters = sorted_by(sort, clusters)[:limit]
        if output == "json":
            told = {"clusters": [asdict(cluster) for cluster in clusters], "unknown": unknown}
            click.echo(json.dumps(told, indent=2, ensure_ascii=False))
            return
        if clusters:
            click.echo("\n".join(cluster_lines(clusters)))
        else:
            click.echo("There are no Dask clusters.")
        if unknown:
            click.echo(f"Not known, as their records cannot be read: {', '.join(unknown)}.", err=True)

    return target.run(work)


@dask.command()
@_name
@_user
@service_options
@output_option
def status(*, target: Target, name: str, user: str | None, output: str) -> int:
    r"""Show a Dask cluster: phase, size, reason and steps.

    \b
    Example:
      spawnpenny dask status c0123456789abcdef0123 --user ada
    """

    async def work(client: Client) -> None:
        found = await client.clusters.get(await _owner(client, name, user), name)
        click.echo(_json(found) if output == "json" else "\n".join(cluster_facts(found)))

    return target.run(work)


@dask.command()
@_name
@_user
@service_options
@output_option
def workers(*, target: Target, name: str, user: str | None, output: str) -> int:
    r"""List a cluster's workers, and what each waits for.

    \b
    Example:
      spawnpenny dask workers c0123456789abcdef0123
    """

    async def work(client: Client) -> None:
        found = await client.clusters.workers(await _owner(client, name, user), name)
        if output == "json":
            click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        else:
            click.echo("\n".join(worker_lines(found)))

    return target.run(work)


@dask.command()
@_name
@click.argument("count", type=click.IntRange(0))
@_user
@service_options
@click.option("--group", metavar="NAME", help="One of the site's groups of workers; default: the default one.")
def scale(*, target: Target, name: str, count: int, user: str | None, group: str | None) -> int:
    r"""Set how many workers a cluster has, and end adapting.

    \b
    Example:
      spawnpenny dask scale c0123456789abcdef0123 4
    """

    async def work(client: Client) -> int:
        owner = await _owner(client, name, user)
        cut = await client.clusters.scale(owner, name, count, group=group)
        if cut is not None:
            raise CommandError(cut)
        workers = "1 worker" if count == 1 else f"{count} workers"
        click.echo(f"{owner}'s Dask cluster {name} is to have {workers}.")
        return DONE

    return target.run(work)


@dask.command()
@_name
@_user
@service_options
@stop_options
def stop(*, target: Target, name: str, user: str | None, wait: bool, timeout: float) -> int:
    r"""Stop a Dask cluster, and return when it is gone.

    \b
    Example:
      spawnpenny dask stop c0123456789abcdef0123
    """

    async def work(client: Client) -> int:
        owner = await _find_owner(client, name, user)
        if owner is None:
            click.echo(f"Nobody has a Dask cluster {name}: nothing is to be stopped.")
            return DONE

        async def stop(wait: float, _: Cluster | None) -> Cluster | None:
            return await client.clusters.stop(owner, name, wait=wait)

        gone = await is_gone(stop, "cluster", seconds=timeout if wait else None)
        click.echo(f"{owner}'s Dask cluster {name} is {'gone' if gone else 'being stopped'}.")
        return DONE

    return target.run(work, interrupted="The cluster goes on being stopped.")


@dask.command()
@_name
@_user
@service_options
@output_option
@click.option("--follow", is_flag=True, help="Go on while it runs, until it has ended or is gone.")
@click.option("--after", metavar="ID", help="Only what came after the event with this id.")
def events(*, target: Target, name: str, user: str | None, output: str, after: str | None, follow: bool) -> int:
    r"""Show what happens to a cluster until it runs, has failed or is gone.

    \b
    Example:
      spawnpenny dask events c0123456789abcdef0123 --output json
    """

    async def work(client: Client) -> None:
        found = client.clusters.events(await _owner(client, name, user), name, after=after, follow_on=follow)
        await (print_json(found) if output == "json" else show_lines(found, Console(highlight=False, soft_wrap=True)))

    return target.run(work)


async def _owner(client: Client, name: str, user: str | None) -> str:
    """Return whose cluster is meant.

    Raises:
        UsageError: Several users have one, or the token neither speaks for a user nor reads those of all.
        RefusedError: Nobody has one.

    """
    owner = await _find_owner(client, name, user)
    if owner is None:
        raise RefusedError(f"Nobody has a Dask cluster {name!r}. `spawnpenny dask list` shows those that there are.")
    return owner


async def _find_owner(client: Client, name: str, user: str | None) -> str | None:
    """Return the named user, the token's own, or the user who has a cluster of that name; None if nobody has."""
    if user is not None:
        return user
    caller = await client.whoami()
    if not caller.scopes & _READERS:
        return _own(caller.username)
    owners = [
        cluster.user
        async for page in client.clusters.pages(limit=_LARGEST_PAGE)
        for cluster in page.clusters
        if cluster.cluster == name
    ]
    if len(owners) > 1:
        raise UsageError(f"Several users have a Dask cluster {name!r}: {', '.join(owners)}. Name one with --user.")
    return next(iter(owners), None)


def _own(username: str | None) -> str:
    if username is None:
        raise UsageError("This token speaks for no user, and may not read the clusters of all: name one with --user.")
    return username


async def _listed(
    client: Client, user: str | None, phases: tuple[str, ...], limit: int | None
) -> tuple[list[Cluster], list[str]]:
    if user is None:
        caller = await client.whoami()
        user = None if caller.scopes & _READERS else _own(caller.username)
    if user is not None:
        return list(await client.clusters.of(user, phases=phases))[:limit], []
    clusters: list[Cluster] = []
    unknown: list[str] = []
    async for page in client.clusters.pages(limit=min(limit or _LARGEST_PAGE, _LARGEST_PAGE), phases=phases):
        clusters += page.clusters
        unknown = [*dict.fromkeys((*unknown, *page.unknown))]
        if limit is not None and len(clusters) >= limit:
            break
    return clusters[:limit], unknown


def _phases(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip().lower() for name in text.split(","))
    if wrong := next((name for name in names if name not in PHASES), None):
        raise UsageError(f"--status: {wrong!r} is no phase. There are: {', '.join(PHASES)}.")
    return names


def _json(found: Cluster) -> str:
    return json.dumps(asdict(found), indent=2, ensure_ascii=False)
