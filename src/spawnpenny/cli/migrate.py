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
@click.option("--namespace", default="jupyterhub", show_default=True, help="Where the Hub runs.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("settings.yaml"),
    show_default=True,
    help="Where our settings go; a file that is there is kept.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings that there are, to be added to: with tokens, installation, the namespaces' prefix.",
)
@click.option(
    "--objects",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="What kubectl told of the cluster, - for the standard input; needed for --script.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the script that makes the users' namespaces and volumes ours.",
)
@click.option(
    "--users",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The Hub's users, one in a line: whose namespace is to be known though nothing is in it.",
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
    """Write the settings that CONFIG comes to, and say what else is to be done.

    CONFIG is a jupyterhub_config.py, which is run, or the values.yaml of Zero to JupyterHub, also as part of another
    chart's. Several values files are merged as Helm merges them, and Python files hold over them. Nothing is changed in
    a cluster: with --script, a script is written for an administrator to read and run. It ends with 0 where all was
    carried over, and with 1 where something is left to do by hand.
    """
    _refuse_what_is_there(output, script)
    if (script is None) != (objects is None):
        raise exits.UsageError(f"--script and --objects go together. Have kubectl tell of the cluster: {GET}")
    found = None if objects is None else read_objects(_read(objects))
    names = () if users is None else _read(users).split("\n")
    configured = read_configuration(config)
    carried = carry(configured, namespace)
    settings = try_settings(carried, {} if base is None else read_yaml(base))
    text = yaml.dump(carried.settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    _write(output, _HEAD.format(source=_names(config)) + _about_quota(carried.settings) + text, mode=0o600)
    for line in _told(carried, output, namespace):
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
    for line in _told_of_script(plan, script):
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


def _refuse_what_is_there(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and path.exists():
            raise exits.UsageError(f"There is a file {path} already: move it away, or name another.")


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


def _told(carried: Carried, output: Path, namespace: str) -> Iterator[str]:
    yield f"The settings are in {output}. Look them over: spawnpenny check --settings {shlex.quote(str(output))}"
    yield ""
    yield "jupyterhub_config.py then has this in place of KubeSpawner's:"
    yield ""
    yield from (f"    {line}" for line in _HUB)
    hub = {_CONNECT: f'"http://hub.{namespace}:8081"', **carried.hub}
    yield from (f"    {name} = {value}" for name, value in hub.items())
    yield ""
    yield "Labs are in other namespaces than the Hub from now on: hub_connect_url is where they find it. The Hub's"
    yield "token needs read:any and delete:any, and the users' credentials (auth_state_field) or spawn:any, too."
    yield "Secrets, ConfigMaps, claims and service accounts of the Hub's namespace are not in the users'."
    yield from _listed("Not carried over:", carried.lost)
    yield from _listed("To know:", carried.notes)


def _without_tokens(found: Rehearsal) -> Rehearsal:
    """Return a rehearsal without the warning that there are no tokens: the settings' first lines ask for the Hub's."""
    kept = (
        problem for problem in found.problems if (problem.setting, problem.severity) != ("tokens", Severity.WARNING)
    )
    return replace(found, problems=tuple(kept))


def _rehearsed(found: Rehearsal) -> Iterator[str]:
    """Yield which of the profiles would start with the settings that were written, and what to mend in the others."""
    yield ""
    yield "What users would get with these settings (`spawnpenny try` says it again):"
    yield ""
    yield from report(found, width=report_width(), names=False)


def _told_of_script(plan: Plan, script: Path) -> Iterator[str]:
    yield ""
    yield f"The script is {script}. Read it, have every server stopped, and run it with your own rights:"
    yield ""
    path = shlex.quote(str(script))
    yield f"    sh {path}            # says what it would do"
    yield f"    sh {path} --apply    # does it"
    yield from _listed("The script leaves alone:", plan.left)


def _listed(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield ""
        yield from (f"  - {line}" for line in lines)
