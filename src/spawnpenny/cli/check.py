"""``spawnpenny check``: report errors in settings, unusual settings, and the settings that result."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from spawnpenny.admin.check.check import check_deployment, check_settings
from spawnpenny.cli import exits
from spawnpenny.cli.deployment import deployment_of, deployment_options
from spawnpenny.cli.options import settings_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spawnpenny.admin.check.result import CheckResult


@click.command()
@settings_option
@deployment_options
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The format.")
def check(file: str | None, overlay: Path | None, rendered: Path | None, output: str) -> int:
    """Check settings and plugins without a cluster.

    It prints the settings that a service would use, without secrets. With --overlay or --rendered it also compares the
    roles of the deployment with the rights that the settings and plugins need.

    Exit codes: 2 if a service would not start or would lack a right, 1 if users could not start some of the choices
    that they are offered, else 0.
    """
    deployment = deployment_of(file, overlay, rendered)
    result = check_settings(file) if deployment is None else check_deployment(deployment)
    if output == "json":
        click.echo(json.dumps(asdict(result), indent=2, ensure_ascii=False))
    else:
        for line in _table(result.used):
            click.echo(line)
        for unusual in result.unusual:
            click.echo(f"note: {unusual}")
        for problem in (*result.problems, *_refused(result)):
            click.echo(problem, err=True)
    if result.problems:
        return exits.USAGE
    return exits.FAILED if result.refused else exits.DONE


def _refused(result: CheckResult) -> Iterator[str]:
    for problem in result.refused:
        spawns = f" ({', '.join(problem.spawns)})" if problem.spawns else ""
        yield f"{problem.setting}: {problem.message}{spawns}"
    if result.refused:
        yield "Users could not start some of the choices that they are offered. `spawnpenny try` shows how to fix that."


def _table(used: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, used), default=0)
    for name, value in used.items():
        yield f"{name:{width}}  {_format(value)}"


def _format(value: Any) -> str:
    match value:
        case {"scopes": scopes, "user": user}:
            return f"{_format(scopes)}{f' for {user}' if user else ''}"
        case dict():
            return ", ".join(f"{key}: {_format(part)}" for key, part in value.items()) or "none"
        case list():
            return " ".join(map(str, value)) or "none"
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
