"""Subcommands of plugins: found by their entry points, shown without being imported, and never in place of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spawnpenny.cli.command import run

SPAWNPENNY = Path(sys.executable).with_name("spawnpenny")
LIGHT = """
import click
from spawnpenny.api import hookimpl
from spawnpenny.api.commands import LazyCommand, CommandError

@click.command()
@click.argument("name")
def kite(name):
    '''Fly a kite. It has a string.'''
    if name == "none":
        raise CommandError("There is no such kite.")
    click.echo(f"{name} flies")

@hookimpl
def spawnpenny_commands():
    sea = LazyCommand("sea", "Sail.", "no_such:sea")
    return [kite, LazyCommand("sky", "Watch the sky.", "site_kites_sky:sky"), sea]
"""
HEAVY = """
import click
print("imported")

@click.group()
def sky():
    '''Watch the sky.'''

@sky.command()
@click.option("--far", is_flag=True)
def watch(far):
    '''Watch it.'''
    click.echo(f"far={far}")
    return 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with commands: an entry point by name, and a module with this source."""

    def make(name, source, *, value=None):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[spawnpenny.commands]\n{name} = {value or name}\n")
        (tmp_path / f"{name}.py").write_text(source)

    monkeypatch.syspath_prepend(tmp_path)
    yield make
    for name in [name for name in sys.modules if name.startswith("site_")]:
        del sys.modules[name]


@pytest.fixture
def kites(install, tmp_path):
    install("site_kites", LIGHT)
    (tmp_path / "site_kites_sky.py").write_text(HEAVY)


@pytest.mark.usefixtures("kites")
def test_a_command_of_a_plugin_runs_as_ours_do(capsys):
    assert run(["kite", "red"]) == 0
    assert capsys.readouterr().out == "red flies\n"
    assert run(["kite", "none"]) == 1
    assert capsys.readouterr().err == "There is no such kite.\n"
    assert run(["kite"]) == 2


@pytest.mark.usefixtures("kites")
def test_the_help_shows_commands_of_plugins_among_ours_without_importing_them(capsys):
    assert run(["--help"]) == 0
    shown = capsys.readouterr()
    lines = [line.split()[0] for line in shown.out.partition("Commands:\n")[2].splitlines()]
    assert lines == sorted(lines)
    assert {"kite", "sea", "sky", "serve"} <= set(lines)
    assert "  sky          Watch the sky.\n" in shown.out
    assert "  kite         Fly a kite.\n" in shown.out
    assert ("imported" in shown.out, shown.err) == (False, "")


@pytest.mark.usefixtures("kites")
def test_a_command_is_imported_when_it_runs(capsys):
    assert run(["sky", "watch", "--far"]) == 3
    assert capsys.readouterr().out == "imported\nfar=True\n"
    assert run(["sky", "--help"]) == 0
    assert "Watch it." in capsys.readouterr().out


@pytest.mark.usefixtures("kites")
def test_a_command_that_cannot_be_imported_is_named(capsys):
    assert run(["sea"]) == 2
    assert "The subcommand 'sea' of a plugin cannot be imported: ModuleNotFoundError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "which has no hook spawnpenny_commands."),
        ("1 / 0", "The commands of the plugin 'site_bad' cannot be imported: ZeroDivisionError"),
        ("def spawnpenny_commands():\n    1 / 0", "The hook spawnpenny_commands of the plugin 'site_bad' failed"),
        ("def spawnpenny_commands():\n    return ['kite']", "has to return a list of click.Command objects."),
        ("def spawnpenny_commands():\n    return None", "has to return a list of click.Command objects."),
        (
            "import click\ndef spawnpenny_commands():\n    return [click.Command('serve')]",
            "The plugin 'site_bad' has a subcommand 'serve', which spawnpenny has itself.",
        ),
        ("import click\ndef spawnpenny_commands():\n    return [click.Command('Fly!')]", "has the name 'Fly!'"),
        (
            "import click\ndef spawnpenny_commands():\n    return [click.Command('kite'), click.Command('kite')]",
            "The plugins 'site_bad' and 'site_bad' both have a subcommand 'kite'.",
        ),
    ],
)
def test_wrong_commands_are_reported_and_harm_no_other(install, capsys, source, message):
    install("site_bad", source)
    assert run(["--help"]) == 0
    shown = capsys.readouterr()
    assert message in shown.err
    assert "  serve " in shown.out
    assert run(["openapi", "--help"]) == 0
    assert capsys.readouterr().err == ""


def test_two_plugins_do_not_share_a_command(install, capsys):
    one = "import click\ndef spawnpenny_commands():\n    return [click.Command('kite')]"
    install("site_one", one)
    install("site_two", one)
    assert run(["--help"]) == 0
    assert "The plugins 'site_one' and 'site_two' both have a subcommand 'kite'." in capsys.readouterr().err


@pytest.mark.usefixtures("kites")
def test_our_own_commands_look_for_no_plugin(tmp_path):
    code = (
        "import sys, importlib.metadata as m; m.entry_points = lambda **_: 1 / 0\n"
        "from spawnpenny.cli.command import command; command.main(['broker', '--help'], standalone_mode=False)\n"
        "assert 'site_kites' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Run the broker" in done.stdout
