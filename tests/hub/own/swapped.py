"""A pytest plugin for JupyterHub's own tests: the mock spawners that they use start servers through spawnpenny.

JupyterHub's mock spawners are subclasses of its SimpleLocalProcessSpawner; here they become subclasses of ours. All
else of them stays: slow and bad ones, forms, and the mock server, which is an image of the embedded cluster. Tests that
do not apply are left out; the file that ``SPAWNPENNY_EXCEPTIONS`` names says which, and why.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import jupyterhub.spawner
import pytest

from spawnpenny.clients.http import Client
from spawnpenny.clients.jupyterhub import SpawnpennySpawner


class SwappedSpawner(SpawnpennySpawner):
    """Ours, with what the mock spawners and the tests ask of the class that they were made for."""

    async def start(self):
        url = urlsplit(await super().start())
        return url.hostname, url.port  # the slow mock spawner takes it apart

    def get_env(self):
        return self.user_env(super().get_env())

    def user_env(self, env):
        """Be where the mock spawner adds the query of the request."""
        return env

    allow_rename = True

    def get_state(self):
        """Return ours, under the name that the tests look for, and as a number."""
        state = super().get_state()
        return {"pid": int(state["start"], 16)} if "start" in state else {}

    def load_state(self, state):
        super().load_state({"start": f"{state['pid']:016x}"} if "pid" in state else state)


def pytest_collection_modifyitems(config, items):
    exceptions = json.loads(Path(os.environ["SPAWNPENNY_EXCEPTIONS"]).read_text(encoding="utf-8"))
    modules = {item.path.stem for item in items}
    expected = {(module, name) for module, names in exceptions.items() if module in modules for name in names}
    left_out = [item for item in items if (item.path.stem, item.originalname) in expected]
    unknown = expected - {(item.path.stem, item.originalname) for item in left_out}
    if unknown:
        raise pytest.UsageError(f"There are no such tests: {sorted(unknown)}")
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _swap():
    original = jupyterhub.spawner.SimpleLocalProcessSpawner
    jupyterhub.spawner.SimpleLocalProcessSpawner = SwappedSpawner
    try:
        import_module("jupyterhub.tests.mocking")  # while the class is another
    finally:
        jupyterhub.spawner.SimpleLocalProcessSpawner = original


async def _start_without_options(self, *args, options=None, **more):
    return await _start_lab(self, *args, **more)


_start_lab, Client.start_lab = Client.start_lab, _start_without_options
"""The tests' own forms have options that no site knows, and that JSON or a form could not say."""

_swap()
