"""The spawner as a Hub installs it: without anything of the server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import spawnpenny

PROGRAM = """
import json, sys
from importlib.metadata import entry_points
from importlib.util import find_spec
(entry,) = entry_points(group="jupyterhub.spawners", name="spawnpenny")
spawner = entry.load()
server = "kubernetes kubernetes_asyncio marshmallow pluggy structlog".split()
print(json.dumps({
    "class": spawner.__name__,
    "installed": [name for name in server if name != "pluggy" and find_spec(name)],  # pytest brings that one
    "imported": sorted(name for name in sys.modules if "kubernetes" in name or name.split(".")[0] in server),
    "ours": sorted({name.split(".")[1] for name in sys.modules if name.startswith("spawnpenny.")}),
}))
"""


def test_the_hub_needs_nothing_of_the_server_and_nothing_of_kubernetes():
    python = os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not python:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 does not say where the Python with JupyterHub 5 is")
    env = {**os.environ, "PYTHONPATH": str(Path(spawnpenny.__file__).parents[1])}
    done = subprocess.run([python, "-c", PROGRAM], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "class": "SpawnpennySpawner",
        "installed": [],
        "imported": [],
        "ours": ["clients"],
    }
