"""Sites whose users have jobs, and what tests do with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spawnpenny.api import Key
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import SpawnRequest
from spawnpenny.testing.site import HUB


@dataclass
class JobSite:
    """A site, and what a test does with the jobs of its users. ``folder`` has the embedded cluster."""

    site: Any
    folder: Path
    service: Any = None

    @asynccontextmanager
    async def running(self, **section):
        """Run a service with these settings of the plugin until the context ends."""
        self.configure(**section)
        async with self.site.service() as self.service:
            yield self

    @asynccontextmanager
    async def killable(self, **section):
        """Run a service that ``kill`` ends as SIGKILL does, and that ``start`` starts again."""
        self.configure(**section)
        async with KillableService(self.site) as server:
            self.service = server.service
            yield server

    def configure(self, **section):
        self.site.data["plugins"] |= {"storage": {"per": "user"}, "batch": {"backoff": 0, "grace": 5, **section}}

    async def start(self, name="report", *, user="ada", env=None, caller=None, **options):
        """Start a job with these options."""
        request = SpawnRequest(f"start-{name}", options, env or {}, caller=caller)
        started = await self.service.spawns.start(user, Key("batch", name), request, identity=HUB)
        return started.run

    def run(self, name="report", user="ada"):
        return self.service.spawns.find(user, Key("batch", name))

    async def ended(self, run=None):
        """Wait until a job is over and nothing of it is left but its history; return its record."""
        run = run or self.run()
        async with asyncio.timeout(PATIENCE):
            while not run.record.phase.over:
                await run.bell.next().wait()
            if run.task is not None:
                await run.task
        assert run.record.reverted
        return run.record

    async def notified(self, words, run=None):
        """Wait until an event of a job has these words."""
        run = run or self.run()
        async with asyncio.timeout(PATIENCE):
            while not any(words in message for message in messages(run.record)):
                assert not run.record.phase.over, messages(run.record)
                await run.bell.next().wait()

    async def stop(self, name="report"):
        """Stop a job, and wait until it is gone."""
        run = await self.service.spawns.stop("ada", Key("batch", name))
        async with asyncio.timeout(PATIENCE):
            await run.until_gone()

    @property
    def home(self):
        """The folder of ada's storage on the embedded cluster."""
        folder = self.folder / "cluster" / "claims" / self.site.namespace() / "claim-ada"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def appeared(self, file):
        """Wait until a program has made a file in the home."""
        async with asyncio.timeout(PATIENCE):
            while not (self.home / file).exists():  # noqa: ASYNC110 - a program of its own makes it
                await asyncio.sleep(0.02)

    def output(self, record):
        """Return the output folder of a job."""
        return self.home / record.state["batch"]["output"]


def messages(record) -> Sequence[str]:
    return [event.message for event in record.log.since(None)]


@pytest.fixture
def jobs(embedded_site, tmp_path):
    """Have a site on the embedded cluster, where jobs are real processes."""
    return JobSite(embedded_site, tmp_path)


@pytest.fixture
def hollow_jobs(kube_site, tmp_path):
    """Have a site on the API server, where jobs end as a test says."""
    return JobSite(kube_site, tmp_path)
