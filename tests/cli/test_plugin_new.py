"""``spawnpenny plugin new``: a distribution that passes its tests, lint and types at once, or a refusal."""

from __future__ import annotations

import os
import re
import shlex
import signal
import site
import subprocess
import sys
import venv
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

import psutil
import pytest

from spawnpenny.cli.command import run
from spawnpenny.clients.http import Client
from spawnpenny.testing.patience import PATIENCE

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "first-plugin.md"
LONGEST = "aaaaaaaaaa-bbbbbbbbbb-cccccccccc-ddddddddd"[:40]
VARIANTS = ("step", "kind", "authenticator")
INSTALLED = VARIANTS if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else ("kind",)
"""The others take as long, and one of them is installed for the demo."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Make an environment that has all of this one's packages, and takes further ones; return its Python."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "parent.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
    )
    python = folder / "bin" / "python"
    script = folder / "bin" / "spawnpenny"
    script.write_text(f'#!/bin/sh\nexec {python} -m spawnpenny "$@"\n')
    script.chmod(0o755)
    return python


def shell(command, folder, **environ):
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PIP_NO_INDEX": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * PATIENCE,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.timeout(10 * PATIENCE)
@pytest.mark.parametrize("variant", INSTALLED)
def test_it_passes_its_own_tests_and_types_by_the_commands_that_are_printed(tmp_path, python, variant):
    printed = shell(f"{python} -m spawnpenny plugin new own-{variant} --{variant}", tmp_path)
    install, test, *_, demo = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    shell(install, tmp_path)
    assert " passed" in shell(test, tmp_path)
    assert "Success" in shell(f"{python} -m mypy", tmp_path / f"spawnpenny-own-{variant}")
    assert demo.endswith(f"{python} -m spawnpenny demo")
    load = demo.removesuffix(" demo")
    assert re.search(
        rf"^own-{variant} +yes +spawnpenny-own-{variant} 0.1.0", shell(f"{load} plugins", tmp_path), re.MULTILINE
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["x", "welcome", LONGEST])
def test_it_is_formatted_and_linted_whatever_its_name(here, variant, name):
    assert run(["plugin", "new", name, f"--{variant}", "--folder", "new"]) == 0
    ruff = f"{shlex.quote(sys.executable)} -m ruff"
    shell(f"{ruff} check --no-cache . && {ruff} format --no-cache --check .", here / "new")
    assert {path.name for path in (here / "new").iterdir()} == {
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src",
        "tests",
    }
    assert "$" not in "".join(path.read_text() for path in (here / "new").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "cannot be the name of a plugin"),
        ("Welcome", "Try 'welcome'"),
        ("my_plugin", "Try 'my-plugin'"),
        ("9 lives!", "Try 'lives'"),
        ("a--b", "Try 'a-b'"),
        ("../up", "Try 'up'"),
        ("spawnpenny-welcome", "Try 'welcome'"),
        ("a" * 41, "up to 40"),
        ("quota", "The plugin 'quota' exists already: spawnpenny-quota"),
        ("network", "An installed plugin has a step 'network'"),
    ],
)
def test_a_name_that_no_new_plugin_can_have_is_refused(here, capsys, name, message):
    assert run(["plugin", "new", name]) == 2
    assert message in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("flags", [["--step", "--kind"], ["--kind", "--authenticator", "--kind"]])
def test_only_one_sort_of_plugin_is_written(here, capsys, flags):
    assert run(["plugin", "new", "welcome", *flags]) == 2
    assert f"{flags[0]} and {flags[1]} cannot go together" in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("order", "has the name 'order', which spawnpenny uses itself. Choose another name for the plugin."),
        ("da-sk", "An installed plugin has a kind 'dask'."),
        ("event", "has the plural 'events', which spawnpenny uses itself."),
    ],
)
def test_a_name_that_no_new_kind_can_have_is_refused(here, capsys, name, message):
    assert run(["plugin", "new", name, "--kind"]) == 2
    assert message in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_module_of_that_name_is_not_hidden(here, capsys, monkeypatch):
    (here / "spawnpenny_taken.py").touch()
    monkeypatch.syspath_prepend(here)
    assert run(["plugin", "new", "taken"]) == 2
    assert "The module spawnpenny_taken exists already." in capsys.readouterr().err


def test_nothing_is_overwritten(here, capsys):
    (here / "spawnpenny-welcome").mkdir()
    (here / "spawnpenny-welcome" / "README.md").write_text("mine")
    (here / "file").write_text("mine")
    for arguments in ([], ["--folder", "file"]):
        assert run(["plugin", "new", "welcome", *arguments]) == 2
        assert "Nothing was written" in capsys.readouterr().err
    assert [path.read_text() for path in sorted(here.rglob("*")) if path.is_file()] == ["mine", "mine"]


def test_an_empty_folder_is_taken_even_the_present_one(here, capsys):
    assert run(["plugin", "new", "welcome", "--folder", "."]) == 0
    assert (here / "src" / "spawnpenny_welcome" / "__init__.py").is_file()
    assert "--editable './.[dev]'" in capsys.readouterr().out


def test_what_was_half_written_is_deleted(here, capsys, monkeypatch):
    whole = Path.open

    def fail(path, *arguments, **options):
        if path.name == "test_plugin.py":
            raise OSError(28, "No space left on device", str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", fail)
    assert run(["plugin", "new", "welcome"]) == 1
    assert "test_plugin.py cannot be written: No space left on device." in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_the_tutorial_shows_what_is_written(here):
    assert run(["plugin", "new", "welcome", "--folder", "welcome"]) == 0
    written = "\n".join(path.read_text() for path in here.rglob("*") if path.is_file())
    shown = re.findall(r"^```(?:python|toml)\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) > 3
    assert [block for block in shown if not any(indent(block, 4 * depth * " ") in written for depth in range(3))] == []


@pytest.mark.timeout(10 * PATIENCE)
async def test_five_commands_lead_to_a_lab_in_the_demo_that_shows_the_plugin(tmp_path, python):
    """The commands of the tutorial, with the environment of this test in place of the clone's."""
    first = TUTORIAL.read_text().partition("\n## ")[2].partition("\n## ")[0]
    (commands,) = re.findall(r"^```sh\n(.*?)^```", first, re.MULTILINE | re.DOTALL)
    *before, export, demo = commands.splitlines()
    assert len(before) == 3
    for command in before:
        shell(command.replace(".venv/bin/", f"{python.parent}/").replace("../welcome", f"{tmp_path}/welcome"), ROOT)
    assert demo == "make demo"
    with running(f"{export}\nexec make demo BIN={python.parent} READY= NODE_READY=", tmp_path) as lines:
        service = {}
        for line in lines:
            service.update(re.findall(r"export SPAWNPENNY_(URL|TOKEN)=(\S+)", line))
            if len(service) == 2:
                break
        async with Client(service["URL"], service["TOKEN"]) as client:
            await client.start_lab("grace", start="s1")
            steps = {event.step async for event in client.lab_events("grace") if event.step}
            lab = await client.lab("grace")
        assert lab.phase == "running", lab.reason
        assert "welcome" in steps
        assert "Hello, grace!" in {environment_of(pid).get("WELCOME_TEXT") for pid in psutil.pids()}


@contextmanager
def running(command, folder):
    """Run a command of the shell in the clone, and end it with all its processes; yields the lines of its output."""
    process = subprocess.Popen(
        ["sh", "-c", f"{command} ARGS='--port 0 --hub-port 0'"],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process.stdout
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def environment_of(pid):
    try:
        return psutil.Process(pid).environ()
    except psutil.Error:
        return {}
