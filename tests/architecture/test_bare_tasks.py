"""Tasks that live long are the supervisor's: each other call that makes one is known, and short."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("no_collection")

ROOT = Path(__file__).parents[2]
MAKERS = {"create_task", "ensure_future"}
SHORT = {
    "src/spawnpenny/aio/listener.py": "one TLS handshake",
    "src/spawnpenny/aio/supervisor.py": "the supervisor itself",
    "src/spawnpenny/broker/worker.py": "the answers to one request",
    "src/spawnpenny/broker/leader.py": "one term of a leader, which ends with it",
    "src/spawnpenny/broker/order_runs.py": "one order",
    "src/spawnpenny/cli/signals.py": "the command, which is awaited",
    "src/spawnpenny/kubernetes/namespaced_informer.py": "a group that ends with the informer",
    "src/spawnpenny/embedded/node/container.py": "one container",
    "src/spawnpenny/embedded/node/node.py": "one pod",
    "src/spawnpenny/embedded/node/pod.py": "one pod",
    "src/spawnpenny/embedded/node/processes.py": "one process",
    "plugins/dask/src/spawnpenny_dask_proxy/passthrough.py": "one connection",
    "src/spawnpenny/aio/race.py": "one request",
    "src/spawnpenny/kubernetes/pods/events.py": "one pod that is slow",
    "src/spawnpenny/pipeline/runner.py": "one step",
    "src/spawnpenny/aio/settle.py": "one call",
    "src/spawnpenny/aio/tasks.py": "one spawn or one call",
    "src/spawnpenny/spawns/supervision.py": "one spawn; it is restarted there",
    "src/spawnpenny/web/middleware/forward_to_owner.py": "one request",
    "plugins/dask/src/spawnpenny_dask/spawnpenny_control.py": "one call, in a scheduler",
    "plugins/dask/src/spawnpenny_dask/spawnpenny_dashboard.py": "one dashboard, in a scheduler",
    "plugins/dask/src/spawnpenny_dask/spawnpenny_worker.py": "one call, in a worker",
    "plugins/dask/src/spawnpenny_dask/steps.py": "one step",
    "plugins/jupyterhub/src/spawnpenny_jupyterhub/token_cache.py": "one call of the Hub",
}


def test_each_place_that_makes_a_task_is_known_to_make_short_ones():
    files = [*ROOT.glob("src/spawnpenny/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    found = Counter(
        str(file.relative_to(ROOT))
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MAKERS
    )
    server = {name for name in found if not name.startswith(("src/spawnpenny/clients/", "src/spawnpenny/testing/"))}
    assert server == set(SHORT)
