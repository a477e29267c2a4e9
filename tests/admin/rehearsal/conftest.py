"""What settings go through: ``check``, ``try``, and a first spawn on a cluster."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import yaml

from spawnpenny.cli.command import run
from spawnpenny.domain.spawns import Phase
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.errors import SpawnpennyError
from spawnpenny.testing.site import SMALL_LAB, Site, settled, start

PATIENCE = {"spawn": 8, "slow": 1}
HASH = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Answer:
    """What a command said: its exit code, and both of its outputs."""

    code: int
    out: str
    err: str

    @property
    def text(self):
        return self.out + self.err


@pytest.fixture
def right():
    """Have settings in which nothing is wrong."""
    return {
        "tokens": {"hub": {"sha256": HASH, "scopes": ["read:any", "delete:any", "spawn:any"]}},
        "plugins": {"namespace": {}, "quota": {}, "user": {}, "lab": {}},
    }


@pytest.fixture
def command(tmp_path, capsys):
    """Run a command on settings of a file."""

    def run_it(name, data, *arguments):
        file = tmp_path / "settings.yaml"
        file.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
        code = run([name, "--settings", str(file), *arguments])
        return Answer(code, *capsys.readouterr())

    return run_it


@pytest.fixture
async def embedded(tmp_path, make_namespaces):
    async with EmbeddedCluster(tmp_path / "cluster", {"spawnpenny/lab": SMALL_LAB}) as cluster:
        await make_namespaces(cluster, {})
        yield cluster


@pytest.fixture
def make_namespaces():
    """Make what a deployment makes by its manifests."""

    async def make(cluster, spaces):
        for key in ("state", "broker", "provision"):
            name = spaces.get(key, f"spawnpenny-{key}")
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    return make


@pytest.fixture
def first_spawn():
    """Start the default lab on a cluster, and say how it ended."""

    async def first(data, cluster):
        site = Site({**data, "deadlines": PATIENCE | data.get("deadlines", {})}, cluster)
        try:
            async with site.service() as service:
                return await outcome(service)
        except SpawnpennyError:
            return "no service"

    return first


async def outcome(service):
    pipeline = service.plugins.pipelines.get("lab")
    if pipeline is None or all(step.scope == "user" for step in pipeline.steps):
        return "no lab"
    try:
        started = await settled(await start(service))
    except SpawnpennyError:
        return "refused"
    return "starts" if started.record.phase is Phase.RUNNING else "failed"
