"""A service that reads pods in the namespaces of its users alone."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start


async def until_over(run):
    async with asyncio.timeout(PATIENCE):
        while run.record.phase is Phase.RUNNING:
            await run.bell.next().wait()


async def test_it_has_no_right_to_the_pods_of_others(reading_site):
    with pytest.raises(ClusterForbiddenError):
        await reading_site.limited.list(resource_of("Pod"))


async def test_a_pod_that_goes_is_noticed(reading_site):
    async with reading_site.service() as service:
        run = await settled(await start(service))
        await reading_site.cluster.delete(reading_site.ref("Pod", "lab"), grace=0)
        await until_over(run)
        assert run.record.reason.code == "pod_gone"


async def test_a_namespace_deleted_under_a_lab_is_made_anew_and_watched(reading_site):
    async with reading_site.service() as service:
        run = await settled(await start(service))
        await reading_site.cluster.delete(reading_site.ref("Namespace", reading_site.namespace()))
        await until_over(run)
        async with asyncio.timeout(PATIENCE):
            await run.task
        assert run.record.reverted
        again = await settled(await start(service, "again"))
        assert again.record.phase is Phase.RUNNING, again.record.reason
        await reading_site.cluster.delete(reading_site.ref("Pod", "lab"), grace=0)
        await until_over(again)


async def test_a_namespace_that_lets_nobody_read_it_holds_up_nobody_and_no_lab_is_reported_as_gone(reading_site):
    site = reading_site
    async with site.service() as service:
        await settled(await start(service))
        await settled(await start(service, user="grace"))
    await site.cluster.delete(site.ref("RoleBinding", site.settings.broker.role, site.namespace("ada")))
    async with site.service() as service:
        assert service.spawns.find("grace", lab()).record.phase is Phase.RUNNING
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING
