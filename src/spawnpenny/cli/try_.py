"""``spawnpenny try``: rehearse the spawns that users could start."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click
import yaml

from spawnpenny.admin.check.check import fence_differences
from spawnpenny.admin.check.loaded import load, load_deployment
from spawnpenny.admin.rehearsal.rehearse import Selection, rehearse
from spawnpenny.admin.rehearsal.report import report
from spawnpenny.cli import exits
from spawnpenny.cli.deployment import deployment_of, deployment_options
from spawnpenny.cli.kinds import demand_kind
from spawnpenny.cli.options import settings_option
from spawnpenny.cli.try_server import rehearse_on_server
from spawnpenny.domain.names import DEFAULT_LAB, check_lab, check_username
from spawnpenny.errors import InvalidNameError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spawnpenny.admin.rehearsal.result import Rehearsal
    from spawnpenny.settings.model import Settings

_NARROWEST, _WIDEST = 60, 120


@click.command("try")
@settings_option
@deployment_options
@click.option(
    "--user", metavar="NAME", help="Only for this user; default: a sample user, and users with long and unusual names."
)
@click.option("--groups", default="", metavar="A,B", help="The user's groups.")
@click.option("--name", default=DEFAULT_LAB, metavar="SERVER", help="The name of the lab, as for a named server.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="A choice, as in the form or in the cluster options; rehearse only this spawn.",
)
@click.option("--kind", metavar="KIND", help="Only spawns of this kind, such as lab.")
@click.option("--server", is_flag=True, help="Check by a dry run at the real API server, as the service's account.")
@click.option("--claim", is_flag=True, help="With --server: let the broker make the user's namespace, and release it.")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False),
    help="With --server: a kubeconfig; default: the pod's ServiceAccount.",
)
@click.option("--all", "every", is_flag=True, help="Rehearse all combinations of choices, not only each choice.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    show_default=True,
    help="Text; everything as JSON; or only the manifests of the first spawn as YAML.",
)
def try_(  # noqa: PLR0913, PLR0917 - one argument for each option
    file: str | None,
    overlay: Path | None,
    rendered: Path | None,
    user: str | None,
    groups: str,
    name: str,
    options: Sequence[str],
    kind: str | None,
    kubeconfig: str | None,
    output: str,
    *,
    server: bool,
    claim: bool,
    every: bool,
) -> int:
    """Rehearse the spawns that users could start.

    It makes the manifests for each choice, and reports all refusals at once. Nothing is created: no step runs, and
    without --server no cluster is needed.

    Exit codes: 0 if everything would start, 1 if something would not, 2 if the settings or the choices are wrong.
    """
    selection = _selection(user, groups, name, options, kind, every=every)
    deployment = deployment_of(file, overlay, rendered)
    loaded = load(file) if deployment is None else load_deployment(deployment)
    for wrong in loaded.problems:
        click.echo(wrong, err=True)
    if loaded.settings is None or loaded.plugins is None or loaded.partly:
        return exits.USAGE
    if kind is not None:
        demand_kind(loaded.plugins, kind)
    found = rehearse(loaded.settings, loaded.plugins, selection, deployed=loaded.deployed)
    _refuse_options(found)
    if deployment is not None and not fence_differences(deployment, loaded.settings):
        found = replace(found, problems=tuple(problem for problem in found.problems if problem.code != "fence"))
    if server:
        _demand_kubernetes(loaded.settings)
        found = asyncio.run(
            rehearse_on_server(loaded.settings, loaded.plugins, selection, found, kubeconfig=kubeconfig, claim=claim)
        )
    _show(found, output)
    if loaded.problems:
        return exits.USAGE
    return exits.DONE if found.starts else exits.FAILED


def _show(found: Rehearsal, output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"starts": found.starts, **asdict(found)}, indent=2, ensure_ascii=False, default=str))
    elif output == "yaml":
        click.echo(yaml.safe_dump_all(found.shown, sort_keys=False, allow_unicode=True), nl=False)
        for problem in found.refusals:
            click.echo(f"{problem.setting}: {problem.message}", err=True)
    else:
        for line in report(found, width=report_width()):
            click.echo(line)


def _demand_kubernetes(settings: Settings) -> None:
    if settings.cluster != "kubernetes":
        raise exits.UsageError("--server needs a Kubernetes API server, but these settings are for another cluster.")


def _selection(
    user: str | None, groups: str, name: str, options: Sequence[str], kind: str | None, *, every: bool
) -> Selection:
    try:
        return Selection(
            username=None if user is None else check_username(user),
            groups=tuple(filter(None, (group.strip() for group in groups.split(",")))),
            name=check_lab(name),
            options=dict(map(_option, options)),
            every=every,
            kind=kind,
        )
    except InvalidNameError as error:
        raise exits.UsageError(error.message) from None


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise exits.UsageError(f"--option {text!r} is not of the form KEY=VALUE.")
    return key, value


def _refuse_options(found: Rehearsal) -> None:
    wrong = [problem.message for problem in found.problems if problem.setting == "options"]
    if wrong:
        raise exits.UsageError(" ".join(wrong))


def report_width() -> int:
    """Return the columns of a report: those of the terminal, between 60 and 120."""
    return min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
