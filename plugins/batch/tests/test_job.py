"""Jobs as requests describe them."""

from __future__ import annotations

import json

import pytest
from spawnpenny_batch.job import Job
from spawnpenny_batch.settings import BatchSettings

from spawnpenny.api import InvalidOptionError, UnknownOptionError
from spawnpenny.testing.plugins import InvalidRequestError

SETTINGS = BatchSettings()
HOME = "/home/jovyan"


def job(**options):
    return Job.of(options, SETTINGS, HOME)


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("report.ipynb", "report.ipynb"),
        ("a/b/report.ipynb", "a/b/report.ipynb"),
        ("~/a/report.ipynb", "a/report.ipynb"),
        ("/home/jovyan/a/report.ipynb", "a/report.ipynb"),
        ("a/../b//./report.ipynb", "b/report.ipynb"),
        ("Bericht für Mai (2).ipynb", "Bericht für Mai (2).ipynb"),
        ("..report.ipynb", "..report.ipynb"),
        ("-rf.ipynb", "-rf.ipynb"),
    ],
)
def test_paths_are_within_the_home(path, relative):
    assert job(notebook=path).notebook == relative


@pytest.mark.parametrize("option", ["notebook", "directory", "output"])
@pytest.mark.parametrize(
    "path",
    [
        "../bob/report.ipynb",
        "a/../../bob/x",
        "/etc/passwd",
        "/home/jovyan2/x",
        "/home/jovyan/../bob/x",
        "//etc/passwd",
        "",
        "a\0b",
        "a\nb",
        "a" * 2000,
        7,
        None,
        ["a"],
    ],
)
def test_paths_that_leave_the_home_are_refused(option, path):
    options = {"command": "true", option: path} if option != "notebook" else {"notebook": path}
    with pytest.raises(InvalidOptionError) as refused:
        job(**options)
    assert refused.value.facts["errors"][0]["field"] == f"options.{option}"


@pytest.mark.parametrize("name", ["notebook", "directory", "output"])
def test_a_tilde_of_somebody_else_is_no_home(name):
    options = {"command": "true"} if name != "notebook" else {}
    assert getattr(job(**options, **{name: "~bob/x.ipynb"}), name) == "~bob/x.ipynb"


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("python train.py --rate 0.1", ("python", "train.py", "--rate", "0.1")),
        ("echo 'two words' $HOME; rm x", ("echo", "two words", "$HOME;", "rm", "x")),
        (["sh", "-c", "a && b"], ("sh", "-c", "a && b")),
        (["echo", ""], ("echo", "")),
    ],
)
def test_commands_are_lists_of_arguments(command, argv):
    assert job(command=command).command == argv
    assert json.loads(job(command=command).to_json("out"))["command"] == list(argv)


@pytest.mark.parametrize(
    ("given", "seconds"), [(90, 90), ("90", 90), ("90s", 90), ("15m", 900), ("6h", 21600), ("7d", 604800)]
)
def test_deadlines_are_seconds_or_have_a_unit(given, seconds):
    assert job(command="true", deadline=given).deadline == seconds


def test_by_default_a_job_runs_once_and_at_most_a_day():
    assert (job(command="true").retries, job(command="true").deadline) == (0, 86400)
    assert job(command="true", retries="3").retries == 3


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "notebook"),
        ({"notebook": "a.ipynb", "command": "true"}, "notebook"),
        ({"notebook": "."}, "notebook"),
        ({"notebook": "~"}, "notebook"),
        ({"command": ""}, "command"),
        ({"command": []}, "command"),
        ({"command": [""]}, "command"),
        ({"command": ["a", 1]}, "command"),
        ({"command": {"a": "b"}}, "command"),
        ({"command": "echo 'open"}, "command"),
        ({"command": ["a", "b\0c"]}, "command"),
        ({"command": ["a", "\ud800"]}, "command"),
        ({"command": "true", "kernel": "../x"}, "kernel"),
        ({"command": "true", "kernel": 3}, "kernel"),
        *(({"command": "true", "retries": wrong}, "retries") for wrong in (-1, 6, "many", 1.5, True, None, "²")),
        *(
            ({"command": "true", "deadline": wrong}, "deadline")
            for wrong in (0, -5, "0", "8d", "1w", "1.5h", 604801, True, None, "")
        ),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(options, field):
    with pytest.raises(InvalidOptionError) as refused:
        job(**options)
    assert refused.value.facts["errors"][0]["field"] == f"options.{field}"


def test_an_option_that_a_job_does_not_have_is_refused():
    with pytest.raises(UnknownOptionError, match=r"no option 'notebok'. Its options are notebook, command"):
        job(notebok="a.ipynb")
    with pytest.raises(InvalidRequestError, match="at most 8192 bytes"):
        job(command=["echo", "x" * 9000])
