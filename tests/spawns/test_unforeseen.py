"""An error that nobody foresaw, in the task that drives a spawn: the service settles the spawn by itself."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.pipeline.runner import Runner
from spawnpenny.spawns.main_pod import MainPod
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.step_view import StepView
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start


def fail_once(monkeypatch, cls, name):
    """Have a method fail at its next call, and at no later one."""
    whole = getattr(cls, name)

    def fail(*_, **__):
        monkeypatch.setattr(cls, name, whole)
        raise ZeroDivisionError

    monkeypatch.setattr(cls, name, fail)


def reasons(run):
    """Return the phases that the spawn has gone through, with a reason."""
    return [event.phase for event in run.record.log.since(None) if event.phase and event.code]


async def test_starting(embedded_site, monkeypatch):
    async with embedded_site.service() as service, asyncio.timeout(PATIENCE):
        fail_once(monkeypatch, MainPod, "follow")  # what comes last before it runs
        run = await settled(await start(service))
        assert (run.record.phase, run.record.reason.code, run.record.reverted) == (Phase.FAILED, "step_failed", True)
        assert reasons(run) == [Phase.UNDOING, Phase.FAILED]
        assert not await embedded_site.objects("Pod", "Secret")


async def test_undoing(embedded_site, monkeypatch):
    async with embedded_site.service() as service, asyncio.timeout(PATIENCE):
        fail_once(monkeypatch, MainPod, "follow")
        fail_once(monkeypatch, Runner, "revert")
        run = await settled(await start(service))
        assert (run.record.phase, run.record.reason.code, run.record.reverted) == (Phase.FAILED, "step_failed", True)
        assert reasons(run) == [Phase.UNDOING, Phase.FAILED]


async def test_running(embedded_site, monkeypatch):
    async with embedded_site.service() as service, asyncio.timeout(PATIENCE):
        fail_once(monkeypatch, StepView, "supervising")
        run = await settled(await start(service))
        assert (run.record.phase, run.record.reason) == (Phase.RUNNING, None)
        assert "Pod/lab" in await embedded_site.objects("Pod")


async def test_running_and_its_pod_goes(embedded_site, monkeypatch):
    async with embedded_site.service() as service, asyncio.timeout(PATIENCE):
        run = await settled(await start(service))
        fail_once(monkeypatch, Runner, "revert")
        await embedded_site.cluster.delete(embedded_site.ref("Pod", "lab"))
        while run.record.phase is Phase.RUNNING:
            await run.bell.next().wait()
        await run.task
        assert run.record.reverted
        assert run.record.phase is Phase.EXITED
        assert reasons(run) == [Phase.EXITED]


@pytest.mark.parametrize(("cls", "name"), [(Runner, "revert"), (Reporter, "emit")])
async def test_ending(embedded_site, monkeypatch, cls, name):
    async with embedded_site.service() as service, asyncio.timeout(PATIENCE):
        await settled(await start(service))
        run = await service.spawns.stop("ada", lab())
        fail_once(monkeypatch, cls, name)
        await run.until_gone()
        assert service.spawns.find("ada", lab()) is None
        assert not await embedded_site.objects("Pod", "Secret")
