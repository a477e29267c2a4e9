"""A spawn from its request to its end, on both clusters and with both ways to read pods."""

from __future__ import annotations

from spawnpenny.domain.spawns import Phase
from spawnpenny.testing.site import lab, settled, start, stop


async def test_a_lab_runs_and_says_where(any_site):
    async with any_site.service() as service:
        run = await settled(await start(service, env={"JUPYTER_TOKEN": "t"}))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        assert run.record.url.endswith(":8888/")
        assert {step.name: step.state for step in run.record.steps}["lab.pod"] == "done"


async def test_a_stopped_lab_leaves_only_what_the_user_shares(any_site):
    async with any_site.service() as service:
        await settled(await start(service))
        await stop(service)
        assert set(await any_site.objects()) == {
            "ConfigMap/user-files",
            "LimitRange/spawnpenny",
            "NetworkPolicy/spawnpenny",
            "ResourceQuota/spawnpenny",
        }
        assert service.spawns.find("ada", lab()) is None
