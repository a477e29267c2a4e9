"""Sites on which Dask clusters run, of the newest and the oldest distributed; a spawn for the pure functions."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_asyncio import fixture as async_fixture

from spawnpenny.api import Authority, Key, Scale
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site, settled, start_cluster
from spawnpenny.testing.spawns import make_spawn

ALL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"
PYTHONS = {"newest": sys.executable, "oldest": os.environ.get("SPAWNPENNY_JUPYTERHUB5", "")}
OPTIONS = {"image": {"type": "string"}, "environment": {"type": "mapping"}}


@dataclass
class DaskSite:
    """A site, and what a test does with the Dask clusters of its user ada."""

    site: Any
    folder: Path
    python: str = sys.executable
    service: Any = None

    @asynccontextmanager
    async def running(self, **section):
        """Run a service with these settings of the plugin until the context ends."""
        self.site.data["plugins"]["dask"] = {"image": "dask", "options": OPTIONS, **section}
        async with self.site.service() as self.service:
            yield self

    async def cluster(self, name="c1", *, caller=None, **options):
        """Start a cluster, and wait until it runs or failed."""
        return await settled(await start_cluster(self.service, name, options=options, caller=caller))

    async def scale(self, count=0, name="c1", **more):
        """Scale a cluster; return what was taken."""
        return await self.service.spawns.scale("ada", key(name), Scale(count, **more))

    def workers(self, name="c1"):
        """Return the names of the workers that the service knows, but for those on their way out."""
        pods = self.service.service_context.pods.within(self.site.namespace())
        staying = {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}
        return {pod for pod in staying if pod.startswith(f"dask-{name}.w-")}

    async def until_workers(self, count, name="c1", *, but=()):
        """Wait until there are so many workers, none of them one of ``but``; return their names."""
        async with asyncio.timeout(PATIENCE):
            with self.service.service_context.pods.subscribe() as changes:
                while len(names := self.workers(name)) != count or names & set(but):
                    await anext(changes)
        return names

    async def stop(self, name="c1"):
        """Stop a cluster, and wait until it is gone."""
        run = await self.service.spawns.stop("ada", key(name))
        await run.until_gone()

    async def ended(self, name="c1"):
        """Wait until a cluster has ended by itself and nothing is left of it; return why it did."""
        run = self.run(name)
        async with asyncio.timeout(PATIENCE):
            while not run.record.phase.over:
                await run.bell.next().wait()
            await run.task
        return run.record.reason

    def run(self, name="c1"):
        return self.service.spawns.user_state("ada").runs[key(name)]

    async def python_in(self, name, script):
        """Run a script with a ``Client`` of a cluster called ``client``; return what it prints."""
        run = self.run(name)
        authority = Authority.load(run.record.secrets["authority"])
        issued, tls = authority.issue("client", 1), "DASK_DISTRIBUTED__COMM__TLS__"
        files = {"CA_FILE": authority.certificate, "CLIENT__CERT": issued.certificate, "CLIENT__KEY": issued.key}
        for file, content in files.items():
            (self.folder / file).write_text(content)
        env = {f"{tls}{file}": str(self.folder / file) for file in files}
        connected = f"from distributed import Client\nclient = Client({run.record.url!r}, timeout=100)"
        process = await asyncio.create_subprocess_exec(
            self.python,
            "-c",
            f"{connected}\n{script}\nclient.close()",
            env={"PATH": "/usr/bin:/bin", **env},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        return output.decode().strip()

    async def notified(self, words, name="c1"):
        """Wait until an event has these words."""
        run = self.run(name)
        async with asyncio.timeout(PATIENCE):
            while not any(words in message for message in self.events(name)):
                await run.bell.next().wait()

    def events(self, name="c1"):
        return [event.message for event in self.run(name).record.log.since(None)]


def key(name="c1"):
    return Key("dask", name)


@async_fixture
async def dask_site(tmp_path):
    """Have a site whose image ``dask`` has the newest distributed."""
    async with dask_site_of(tmp_path, PYTHONS["newest"]) as site:
        yield site


def pytest_collection_modifyitems(config, items):
    """Try half of the pairs of a version and another parameter; SPAWNPENNY_TEST_ALL=1 has all."""
    if ALL:
        return
    left = [item for item in items if _is_left_out(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not _is_left_out(item)]


def _is_left_out(item):
    indices = item.callspec.indices if hasattr(item, "callspec") else {}
    others = {number for name, number in indices.items() if name != "any_dask_site"}
    return "any_dask_site" in indices and bool(others) and (indices["any_dask_site"] + max(others)) % 2 == 1


@async_fixture(params=["newest", "oldest"])
async def any_dask_site(request, tmp_path):
    """Have a site with the newest distributed, and one with the oldest."""
    if not PYTHONS[request.param]:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 names no Python of an environment with the oldest distributed")
    async with dask_site_of(tmp_path, PYTHONS[request.param]) as site:
        yield site


@asynccontextmanager
async def dask_site_of(folder, python):
    path = f"PATH={Path(python).parent}:/usr/bin:/bin"
    images = {"spawnpenny/lab": SMALL_LAB, "dask": ("env", path), "none": ("env", "PATH=/usr/bin:/bin")}
    images["wait"] = ("sh", "-c", "while :; do sleep 0.05; done")
    async with EmbeddedCluster(folder / "cluster", images) as cluster:
        yield DaskSite(await make_site(cluster), folder, python)


@pytest.fixture
def spawn():
    """Have a spawn of a cluster of ada's."""
    return make_spawn("dask", "c1")
