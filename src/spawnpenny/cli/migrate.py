"""``spawnpenny migrate``: move a site from KubeSpawner."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import yaml

from spawnpenny.admin.migration.carry import carry
from spawnpenny.admin.migration.objects import GET, read_objects
from spawnpenny.admin.migration.plan import Planner, Site
from spawnpenny.admin.migration.quota import QUOTA, suggested_quota
from spawnpenny.admin.migration.script import write_script
from spawnpenny.admin.migration.sources import read_configuration
from spawnpenny.admin.migration.trial import try_settings
from spawnpenny.admin.rehearsal.rehearse import rehearse
from spawnpenny.admin.rehearsal.report import report
from spawnpenny.admin.rehearsal.result import Severity
from spawnpenny.cli import exits
from spawnpenny.cli.try_ import report_width
from spawnpenny.settings.sources import read_yaml

if TYPE_CHECKING:
    from spawnpenny.admin.migration.carried import Carried
    from spawnpenny.admin.migration.plan import Plan
    from spawnpenny.admin.rehearsal.result import Rehearsal

_HUB: Final = (
    'c.JupyterHub.spawner_class = "spawnpenny"',
    'c.SpawnpennySpawner.url = "http://spawnpenny.spawnpenny:8080"',
    'c.SpawnpennySpawner.token_file = "/etc/spawnpenny/token"',
    "c.JupyterHub.cleanup_servers = False",
)
_CONNECT: Final = "c.SpawnpennySpawner.hub_connect_url"
_HEAD: Final = """\
# Written by `spawnpenny migrate kubespawner` from {source}.
# `tokens` has to have the Hub's token.
"""


class _Dumper(yaml.SafeDumper):
    """Writes what stands twice in data twice: an anchor is nothing for an administrator to edit."""

    def ignore_aliases(self, data: object) -> bool:
        return True


@click.group()
def migrate() -> None:
    """Move a site from another spawner."""


@migrate.command()
@click.argument("config", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--namespace", default="jupyterhub", show_default=True, help="The namespace of the Hub.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("settings.yaml"),
    show_default=True,
    help="The settings file to write; an existing file is never overwritten.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Existing settings to merge into, with the tokens, the installation and the namespaces' prefix.",
)
@click.option(
    "--objects",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="The cluster's objects as kubectl prints them, - for the standard input; needed for --script.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The script to write, which takes over the users' namespaces and volumes.",
)
@click.option(
    "--users",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The Hub's users, one a line: their namespaces are taken over even if they are empty.",
)
def kubespawner(
    *,
    config: tuple[Path, ...],
    namespace: str,
    output: Path,
    base: Path | None,
    objects: Path | None,
    script: Path | None,
    users: Path | None,
) -> int:
    """Write settings that follow from CONFIG, and print what else has to be done.

    CONFIG is a jupyterhub_config.py, which is run, or the values.yaml of Zero to JupyterHub, also as a part of another
    chart's values. Values files are merged as Helm merges them, and Python files override them. Nothing is changed in a
    cluster: --script writes a script for an administrator to read and run. The exit code is 0 if everything was carried
    over, and 1 if something is left to do by hand.
    """
    _refuse_existing(output, script)
    if (script is None) != (objects is None):
        raise exits.UsageError(f"--script and --objects belong together. Get the objects with: {GET}")
    found = None if objects is None else read_objects(_read(objects))
    names = () if users is None else _read(users).split("\n")
    configured = read_configuration(config)
    carried = carry(configured, namespace)
    settings = try_settings(carried, {} if base is None else read_yaml(base))
    text = yaml.dump(carried.settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    _write(output, _HEAD.format(source=_names(config)) + _about_quota(carried.settings) + text, mode=0o600)
    for line in _next_steps(carried, output, namespace):
        click.echo(line)
    rehearsal = _without_tokens(rehearse(settings.settings, settings.plugins))
    for line in _rehearsed(rehearsal):
        click.echo(line)
    done = not carried.lost and rehearsal.starts
    if found is None or script is None:
        return exits.DONE if done else exits.FAILED
    by_user = configured.traits.get("enable_user_namespaces")
    template = configured.traits.get("user_namespace_template") or "{hubnamespace}-{username}"
    site = Site(namespace, template if by_user else None)
    plan = Planner(site, settings, found).plan(name.strip() for name in names if name.strip())
    _write(script, write_script(plan, _names(config)), mode=0o700)
    for line in _script_usage(plan, script):
        click.echo(line)
    return exits.DONE if done and not plan.left else exits.FAILED


def _names(paths: tuple[Path, ...]) -> str:
    return ", ".join(path.name for path in paths)


def _about_quota(settings: dict[str, Any]) -> str:
    if QUOTA in settings["plugins"]:
        return ""
    quota = suggested_quota(settings)
    what = f": `quota: {quota}` bounds what a user may have" if quota else ""
    return f"# KubeSpawner has no quota. To have one, add it to the plugins{what}.\n"


def _refuse_existing(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and path.exists():
            raise exits.UsageError(f"{path} already exists. Move it away, or name another file.")


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise exits.UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _write(path: Path, text: str, *, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise exits.CommandError(f"{path} cannot be written: {error.strerror}.") from None


def _next_steps(carried: Carried, output: Path, namespace: str) -> Iterator[str]:
    yield f"Written: {output}. Check the settings: spawnpenny check --settings {shlex.quote(str(output))}"
    yield ""
    yield "Put this into jupyterhub_config.py, instead of the settings of KubeSpawner:"
    yield ""
    yield from (f"    {line}" for line in _HUB)
    hub = {_CONNECT: f'"http://hub.{namespace}:8081"', **carried.hub}
    yield from (f"    {name} = {value}" for name, value in hub.items())
    yield ""
    yield "From now on, labs run in other namespaces than the Hub, and find it at hub_connect_url. They"
    yield "cannot use Secrets, ConfigMaps, claims and service accounts of the Hub's namespace. The Hub's"
    yield "token needs the scopes read:any and delete:any, and also spawn:any, unless the Hub sends the"
    yield "users' own credentials (auth_state_field)."
    yield from _listed("Not carried over:", carried.lost)
    yield from _listed("Notes:", carried.notes)


def _without_tokens(found: Rehearsal) -> Rehearsal:
    """Return a rehearsal without the warning about tokens: the first lines of the settings ask for the Hub's."""
    kept = (
        problem for problem in found.problems if (problem.setting, problem.severity) != ("tokens", Severity.WARNING)
    )
    return replace(found, problems=tuple(kept))


def _rehearsed(found: Rehearsal) -> Iterator[str]:
    """Yield which profiles would start with the written settings, and what to fix in the others."""
    yield ""
    yield "What users would get with these settings (`spawnpenny try` prints it again):"
    yield ""
    yield from report(found, width=report_width(), names=False)


def _script_usage(plan: Plan, script: Path) -> Iterator[str]:
    yield ""
    yield f"Written: {script}. Read the script, stop all servers, and run it with your own rights:"
    yield ""
    path = shlex.quote(str(script))
    yield f"    sh {path}            # prints what it would do"
    yield f"    sh {path} --apply    # does it"
    yield from _listed("The script leaves alone:", plan.left)


def _listed(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield ""
        yield title
        yield ""
        yield from (f"  - {item}" for item in items)
