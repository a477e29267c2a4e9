"""``spawnpenny dask``: list, scale and stop Dask clusters of a running service, over its HTTP API."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

import click
from rich.console import Console

from spawnpenny.api.client import (
    PHASES,
    Client,
    Cluster,
    Target,
    is_gone,
    output_option,
    print_events,
    print_json,
    service_options,
    stop_options,
)
from spawnpenny.api.commands import DONE, CommandError, RefusedError, UsageError
from spawnpenny_dask_cli.tables import SORTED_BY, cluster_facts, cluster_table, sorted_by, worker_table

_LARGEST_PAGE: Final = 500
_READERS: Final = frozenset({"read:any", "admin"})

_name = click.argument("name", metavar="CLUSTER")
_user = click.option(
    "--user", metavar="USER", help="The user who has the cluster; default: found by the token or the name."
)


@click.group()
def dask() -> None:
    """List, scale and stop Dask clusters of a running service.

    The token of a user gives access to the clusters of that user. A token with the scope read:any gives access to the
    clusters of all users.
    """


@dask.command(
    name="list",
    epilog="""\b
Examples:
  spawnpenny dask list
  spawnpenny dask list ada --status running,pending
  spawnpenny dask list --sort idle --limit 10
  spawnpenny dask list --output json | jq '.clusters[].user'""",
)
@click.argument("user", required=False)
@click.option("--user", "named", metavar="USER", help="The same as USER.")
@service_options
@output_option
@click.option("--status", "phases", metavar="PHASE", help="Only clusters in these phases, separated by commas.")
@click.option(
    "--sort",
    type=click.Choice(SORTED_BY),
    default="user",
    show_default=True,
    help="The order: by user and name, or the largest or longest first.",
)
@click.option("--limit", type=click.IntRange(1), metavar="COUNT", help="List at most this many; default: all.")
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
    """List the Dask clusters of a user, or of all users."""
    if user and named and user != named:
        raise UsageError("USER and --user name different users. Use only one of them.")
    desired = _phases(phases)

    async def work(client: Client) -> None:
        clusters, unknown = await _listed(client, user or named, desired, limit if sort == "user" else None)
        clusters = sorted_by(sort, clusters)[:limit]
        if output == "json":
            listed = {"clusters": [asdict(cluster) for cluster in clusters], "unknown": unknown}
            click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
            return
        if clusters:
            click.echo("\n".join(cluster_table(clusters)))
        else:
            click.echo("There are no Dask clusters.")
        if unknown:
            click.echo(f"Users whose records cannot be read: {', '.join(unknown)}.", err=True)

    return target.run(work)


@dask.command(epilog="\b\nExample:\n  spawnpenny dask status c0123456789abcdef0123 --user ada")
@_name
@_user
@service_options
@output_option
def status(*, target: Target, name: str, user: str | None, output: str) -> int:
    """Show a Dask cluster: its phase, size, reason and steps."""

    async def work(client: Client) -> None:
        found = await client.clusters.get(await _owner(client, name, user), name)
        click.echo(_json(found) if output == "json" else "\n".join(cluster_facts(found)))

    return target.run(work)


@dask.command(epilog="\b\nExample:\n  spawnpenny dask workers c0123456789abcdef0123")
@_name
@_user
@service_options
@output_option
def workers(*, target: Target, name: str, user: str | None, output: str) -> int:
    """List the workers of a Dask cluster, and what they wait for."""

    async def work(client: Client) -> None:
        found = await client.clusters.workers(await _owner(client, name, user), name)
        if output == "json":
            click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        else:
            click.echo("\n".join(worker_table(found)))

    return target.run(work)


@dask.command(epilog="\b\nExample:\n  spawnpenny dask scale c0123456789abcdef0123 4")
@_name
@click.argument("count", type=click.IntRange(0))
@_user
@service_options
@click.option("--group", metavar="NAME", help="A worker group of the site; default: the group named default.")
def scale(*, target: Target, name: str, count: int, user: str | None, group: str | None) -> int:
    """Set the number of workers, and end adaptive scaling."""

    async def work(client: Client) -> int:
        owner = await _owner(client, name, user)
        cut = await client.clusters.scale(owner, name, count, group=group)
        if cut is not None:
            raise CommandError(cut)
        workers = "1 worker" if count == 1 else f"{count} workers"
        click.echo(f"{owner}'s Dask cluster {name} scales to {workers}.")
        return DONE

    return target.run(work)


@dask.command(epilog="\b\nExample:\n  spawnpenny dask stop c0123456789abcdef0123")
@_name
@_user
@service_options
@stop_options
def stop(*, target: Target, name: str, user: str | None, wait: bool, timeout: float) -> int:
    """Stop a Dask cluster, and wait until it is gone."""

    async def work(client: Client) -> int:
        owner = await _find_owner(client, name, user)
        if owner is None:
            click.echo(f"There is no Dask cluster {name}, so there is nothing to stop.")
            return DONE

        async def stop(wait: float, _: Cluster | None) -> Cluster | None:
            return await client.clusters.stop(owner, name, wait=wait)

        gone = await is_gone(stop, "cluster", seconds=timeout if wait else None)
        click.echo(f"{owner}'s Dask cluster {name} is {'gone' if gone else 'being stopped'}.")
        return DONE

    return target.run(work, interrupted="The service keeps stopping the cluster.")


@dask.command(epilog="\b\nExample:\n  spawnpenny dask events c0123456789abcdef0123 --output json")
@_name
@_user
@service_options
@output_option
@click.option("--follow", is_flag=True, help="Go on while it runs, until it has ended or is gone.")
@click.option("--after", metavar="ID", help="Only events after the one with this id.")
def events(*, target: Target, name: str, user: str | None, output: str, after: str | None, follow: bool) -> int:
    """Show the events of a Dask cluster.

    The command goes on until the cluster runs, has failed or is gone.
    """

    async def work(client: Client) -> None:
        found = client.clusters.events(await _owner(client, name, user), name, after=after, follow_on=follow)
        await (print_json(found) if output == "json" else print_events(found, Console(highlight=False, soft_wrap=True)))

    return target.run(work)


async def _owner(client: Client, name: str, user: str | None) -> str:
    """Return the user who has the cluster.

    Raises:
        UsageError: Several users have one, or the token neither belongs to a user nor may read all clusters.
        RefusedError: No user has one.

    """
    owner = await _find_owner(client, name, user)
    if owner is None:
        raise RefusedError(f"There is no Dask cluster {name!r}. `spawnpenny dask list` shows all.")
    return owner


async def _find_owner(client: Client, name: str, user: str | None) -> str | None:
    """Return the named user, the user of the token, or the one user with such a cluster; None if there is none."""
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
        raise UsageError(f"Several users have a Dask cluster {name!r}: {', '.join(owners)}. Choose one with --user.")
    return next(iter(owners), None)


def _own(username: str | None) -> str:
    if username is None:
        raise UsageError(
            "This token belongs to no user, and may not read the clusters of all users. Name the user with --user."
        )
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
        raise UsageError(f"--status: {wrong!r} is not a phase. The phases are: {', '.join(PHASES)}.")
    return names


def _json(found: Cluster) -> str:
    return json.dumps(asdict(found), indent=2, ensure_ascii=False)
