"""``spawnpenny check``: report what is wrong with settings, what they result in, and what is unusual in them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spawnpenny.admin.check import Review, review, review_deployment
from spawnpenny.cli import exits
from spawnpenny.cli.deployment import deployment_of, deployment_options
from spawnpenny.cli.options import settings_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@click.command()
@settings_option
@deployment_options
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(file: str | None, overlay: Path | None, rendered: Path | None, output: str) -> int:
    """Check settings and plugins without a cluster, and print what a service would use. No secret is printed.

    With --overlay or --rendered it also compares the deployment's roles with what the settings and plugins need. It
    ends with 2 where a service would not start, or would lack a right, and with 1 where users could not start all that
    they are offered.
    """
    deployment = deployment_of(file, overlay, rendered)
    told = review(file) if deployment is None else review_deployment(deployment)
    if output == "json":
        click.echo(json.dumps(asdict(told), indent=2, ensure_ascii=False))
    else:
        for line in _lines(told.used):
            click.echo(line)
        for unusual in told.unusual:
            click.echo(f"note: {unusual}")
        for problem in (*told.problems, *_refused(told)):
            click.echo(problem, err=True)
    if told.problems:
        return exits.USAGE
    return exits.FAILED if told.refused else exits.DONE


def _refused(told: Review) -> Iterator[str]:
    for each in told.refused:
        concerned = f" ({', '.join(each.spawns)})" if each.spawns else ""
        yield f"{each.setting}: {each.message}{concerned}"
    if told.refused:
        yield "Users could not start all that they are offered: `spawnpenny try` says what to paste."


def _lines(used: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, used), default=0)
    for name, value in used.items():
        yield f"{name:{width}}  {_told(value)}"


def _told(value: Any) -> str:
    match value:
        case {"scopes": scopes, "user": user}:
            return f"{_told(scopes)}{f' for {user}' if user else ''}"
        case dict():
            return ", ".join(f"{key}: {_told(each)}" for key, each in value.items()) or "none"
        case list():
            return " ".join(map(str, value)) or "none"
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
