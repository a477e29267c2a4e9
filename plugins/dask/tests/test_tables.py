"""Lists of Dask clusters and workers with long names, on terminals and in pipes."""

from __future__ import annotations

import io
import sys
import time

import pytest
from rich.console import Console
from spawnpenny_dask_cli.tables import cluster_table, worker_table

from spawnpenny.api.client import print_events
from spawnpenny.clients.clusters import Cluster, Scale, Waiting, Worker, WorkerList, Workers
from spawnpenny.clients.http import Event

LONG = "ada.lovelace-countess.of.lovelace@analytical-engines.example.org"
NODE = "ip-10-112-203-117.eu-central-1.compute.internal"


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes stdout a terminal of some columns, or a pipe for None."""

    def make(columns):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: columns is not None, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns or 80))

    return make


def cluster(user, name, **more):
    now = time.time()
    fields = {"user": user, "cluster": name, "spawn": "s", "phase": "running", "url": None, "reason": None, "steps": ()}
    fields |= {"requested_at": now, "deadline": now, "ended_at": None, "scale": Scale(count=20), "options": {}}
    return Cluster(**{**fields, "workers": Workers(18, 2), "resources": {"cpu": "21", "memory": "84Gi"}, **more})


def worker(number, node=NODE):
    name = f"dask-clv0k3b2mq8x7w5z1t6y.w-{number:08x}"
    return Worker(name=name, group="high-memory", phase="running", since=time.time(), node=node)


CLUSTERS = [
    cluster("ada", "mine"),
    cluster(LONG, "c1234567890abcdef0123", waiting_for=Waiting("No node has room.", "x")),
]


@pytest.mark.parametrize("columns", [40, 80, 100])
def test_a_terminal_that_is_too_narrow_has_names_on_lines_of_their_own(terminal, columns):
    terminal(columns)
    rows = "\n".join(cluster_table(CLUSTERS)).splitlines()
    assert {line for line in rows if len(line) > columns} <= {LONG}
    text = "\n".join(rows)
    assert "\nada  mine\n    running  18 of 20  21   84Gi" in text
    assert LONG in text
    assert "\n    No node has room. (x)" in text


@pytest.mark.parametrize("columns", [200, None])
def test_where_there_is_room_or_no_terminal_a_row_is_a_line(terminal, columns):
    terminal(columns)
    heading, first, second, *_ = cluster_table(CLUSTERS)
    assert heading.index("phase") == first.index("running") == second.index("running")
    assert second.split()[:3] == [LONG, "c1234567890abcdef0123", "running"]


def test_what_fits_is_as_it_was(terminal):
    terminal(80)
    heading, row = cluster_table(CLUSTERS[:1])
    assert heading.split()[:2] == ["user", "cluster"]
    assert row.split()[:3] == ["ada", "mine", "running"]


def test_workers_of_nodes_with_long_names(terminal):
    terminal(80)
    rows = list(worker_table(WorkerList(workers=(worker(1), worker(2, node=None)), missing=0)))
    assert max(map(len, rows)) <= 80
    assert rows[:2] == ["worker", "    group        phase    since  node"]
    assert rows[2] == worker(1).name
    assert rows[3].endswith(NODE)
    terminal(None)
    assert len(list(worker_table(WorkerList(workers=(worker(1), worker(2)), missing=0)))) == 3


@pytest.mark.parametrize("columns", [80, None])
async def test_events_are_wrapped_beneath_their_message_and_lines_in_a_pipe(columns):
    async def events():
        yield Event(id="1-1", type="message", time=1.0, message="words " * 30)

    stream = io.StringIO()
    await print_events(
        events(), Console(file=stream, width=columns, force_terminal=columns is not None, color_system=None)
    )
    rows = stream.getvalue().splitlines()
    assert len(rows) == (1 if columns is None else 3)
    assert all(line.startswith(12 * " ") for line in rows[1:])
