"""What KubeSpawner makes, by its own code, and a kubectl with all rights."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import kubespawner.spawner
import pytest
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner
from traitlets.config import Config

from spawnpenny.cli.command import run
from spawnpenny.testing.patience import PATIENCE


def as_json(objects):
    """Return models of the Kubernetes client as they go over the wire."""
    client = ApiClient.__new__(ApiClient)  # one that is made properly opens a session
    return client.sanitize_for_serialization(objects)


class Kubectl:
    """Run kubectl, and scripts that do."""

    def __init__(self, kubeconfig, folder):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(folder)}
        self._folder = folder

    async def run(self, *command, given=None):
        """Run a command in a folder of its own; return its exit code and what it printed."""
        done = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._folder,
            env=self._environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE):
            out, _ = await done.communicate(None if given is None else given.encode())
        return done.returncode, out.decode()

    async def __call__(self, *arguments, given=None):
        """Run kubectl; return what it printed."""
        code, out = await self.run("kubectl", *arguments, given=given)
        assert code == 0, out
        return out

    async def create(self, *objects):
        """Create objects: manifests, or models of the Kubernetes client."""
        items = as_json(list(objects))
        await self("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    async def read(self, *arguments):
        """Return what ``kubectl get`` gives."""
        return json.loads(await self("get", *arguments, "-o", "json"))


@pytest.fixture
def kubectl(apiserver, tmp_path):
    return Kubectl(apiserver.kubeconfig, tmp_path)


@pytest.fixture
def spawner_of(monkeypatch):
    """Make the real KubeSpawner of a user; it makes manifests, and asks no cluster."""
    monkeypatch.setattr(kubespawner.spawner, "load_config", lambda **_: None)
    monkeypatch.setattr(kubespawner.spawner, "shared_client", lambda _: None)

    def make(user, server="", config=None, **traits):
        config = copy.deepcopy(config or Config())
        config.KubeSpawner.update(traits)
        url = "http://hub:8081/hub/"
        hub = SimpleNamespace(public_host="", url=url, base_url="/hub/", api_url=f"{url}api")
        person = SimpleNamespace(name=user, id=7, url=f"/user/{user}/", groups=[])
        orm = SimpleNamespace(name=server, server=None)
        return KubeSpawner(_mock=True, user=person, hub=hub, orm_spawner=orm, config=config)

    return make


@pytest.fixture
def migrate(tmp_path, capsys):
    """Run the command on a configuration; return its exit code, what it said, and the settings that it wrote."""

    def run_it(config, *arguments, name="jupyterhub_config.py", more=()):
        file = config
        if not isinstance(config, Path):
            file = tmp_path / name
            file.write_text(config)
        output = tmp_path / "settings.yaml"
        files = [str(path) for path in (file, *more)]
        code = run(["migrate", "kubespawner", *files, "--output", str(output), *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err, output

    return run_it
