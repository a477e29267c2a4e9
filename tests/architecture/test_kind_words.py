"""The service names no kind of compute: what is of Dask, of Ray or of batch jobs is in their plugins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "spawnpenny"
ELSEWHERE = ("clients", "testing", "cli/demo")
"""The clients have a notebook's side of Dask; the test kit and the demo start whole sites with it."""
WORD = re.compile(r"dask|(?<![A-Za-z0-9])(?:ray|batch)(?![A-Za-z0-9])", re.IGNORECASE)
KUBERNETES = re.compile(r"batch/(?:v1(?:beta1)?|jobs|cronjobs)|\"batch\", \"create\"")
"""The API group of Kubernetes with jobs."""


def named(source):
    """Return the files that name a kind of compute, with the first line that does."""
    found = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if (
            not path.is_file()
            or "__pycache__" in path.parts
            or name.startswith(tuple(f"{part}/" for part in ELSEWHERE))
        ):
            continue
        lines = [name, *path.read_text(encoding="utf-8", errors="replace").splitlines()]
        line = next((line for line in lines if WORD.search(KUBERNETES.sub("", line))), None)
        if line is not None:
            found[name] = line.strip()
    return found


def test_no_module_of_the_service_names_a_kind_of_compute():
    assert named(SOURCE) == {}


@pytest.mark.parametrize(
    "line",
    [
        'DASK = "x"',
        "class DaskNotFoundError(Exception):",
        "def stop_dask_cluster():",
        "# as dask-gateway does",
        'if kind == "ray":',
        "ray_head = None",
        'title = "Ray cluster"',
        "A batch job ends by itself.",
    ],
)
@pytest.mark.parametrize("name", ["web/labs.py", "admin/rules.yaml", "web/form/page.html"])
def test_a_planted_word_is_found(tmp_path, line, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(f'"""Handle requests."""\n{line}\n')
    assert named(tmp_path) == {name: line}


def test_a_file_named_by_a_kind_is_found(tmp_path):
    (tmp_path / "dask_tables.py").touch()
    assert named(tmp_path) == {"dask_tables.py": "dask_tables.py"}


def test_other_words_and_the_places_of_the_clients_are_left_alone(tmp_path):
    for name, line in {
        "web/page.py": "array, an arrayed batching, stray",
        "broker/contents.py": 'Resource("batch/v1", "Job", "jobs")',
        "clients/dask/cluster.py": "import dask",
        "testing/dask.py": "import dask",
        "cli/demo/dask.py": "import dask",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(line)
    assert named(tmp_path) == {}
