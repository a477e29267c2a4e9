"""A write of the record that fails, or arrives though its answer does not: memory and cluster come to say the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.domain.users import Group, User
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.spawns.errors import StartConflictError
from spawnpenny.spawns.store import read_record
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import HUB, lab, settled, start, stop


@pytest.fixture
def faulty(site):
    return FaultyCluster(site.cluster)


async def no_answer(call: str) -> None:
    raise UnavailableError("The cluster did not answer.")


async def stored(site):
    return read_record(await site.read("Secret", "user-ada", site.settings.namespaces.state))


async def until_stored(site, desired):
    """Wait until the record that is stored is as it should be."""
    async with asyncio.timeout(PATIENCE):
        version = None
        while not desired(record := await stored(site)):
            if record.version == version:
                await site.cluster.list(site.ref("Secret", "x").resource, namespace=site.settings.namespaces.state)
            version = record.version
    return record


async def test_a_first_start_whose_answer_is_lost_can_be_sent_again(site, faulty):
    async with replace(site, cluster=faulty).service() as service:
        faulty.arm(0, after=no_answer)
        with pytest.raises(UnavailableError):
            await start(service, "once")
        run = await settled(await start(service, "once"))
        assert run.record.phase is Phase.RUNNING
    record = await stored(site)
    assert record.user.uid == site.settings.users.uid
    assert record.spawns[lab()].id == run.record.id
    async with site.service() as service:
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING


async def test_a_first_start_that_is_not_sent_again_leaves_the_user_able_to_start(site, faulty):
    async with replace(site, cluster=faulty).service() as service:
        faulty.arm(0, after=no_answer)
        with pytest.raises(UnavailableError):
            await start(service, "once")
        await until_stored(site, lambda record: not record.spawns)
    async with site.service() as service:
        assert (await settled(await start(service, "later"))).record.phase is Phase.RUNNING


async def test_a_stop_whose_answer_is_lost_is_carried_out(site, faulty):
    async with replace(site, cluster=faulty).service() as service:
        run = await settled(await start(service))
        faulty.arm(0, after=no_answer)
        with pytest.raises(UnavailableError):
            await service.spawns.stop("ada", lab())
        await run.until_gone()
        assert (await stored(site)).spawns == {}
        assert "Pod/lab" not in await site.objects()


async def test_a_replacement_that_is_not_accepted_leaves_the_old_lab_alone(site, faulty):
    async with replace(site, cluster=faulty).service() as service:
        run = await settled(await start(service, "old"))
        faulty.arm(0, after=no_answer)
        with pytest.raises(UnavailableError):
            await start(service, "new", replace=True)
        await until_stored(site, lambda record: record.spawns[lab()].request.start == "old")
        assert service.spawns.find("ada", lab()) is run
        with pytest.raises(StartConflictError):
            await start(service, "another")


async def test_a_lost_record_does_not_make_a_known_user_unknown(site, faulty):
    ada = User("ada", 5001, 5001, (Group("physics", 3001),))
    async with replace(site, cluster=faulty).service() as service:
        await settled((await service.spawns.commission(ada, identity=HUB)).run)
        await settled(await start(service))
        await site.cluster.delete(site.ref("Secret", "user-ada", site.settings.namespaces.state))
        faulty.arm(1, before=no_answer)  # the replace says that it is not there; making it anew fails
        with pytest.raises(UnavailableError):
            await start(service, name="other")
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING
        await settled(await start(service, name="other"))
        assert service.spawns.user_state("ada").record.user == ada


async def test_a_refused_start_throws_no_history_away(kube_site):
    kube_site.data["plugins"]["quota"] = {"labs": 1}
    faulty = FaultyCluster(kube_site.cluster)
    async with replace(kube_site, cluster=faulty).service() as service:
        for number in range(10):
            await settled(await start(service, name=f"lab{number}"))
            await kube_site.cluster.delete(kube_site.ref("Pod", f"lab-lab{number}"), grace=0)
            run = service.spawns.find("ada", lab(f"lab{number}"))
            async with asyncio.timeout(PATIENCE):
                while not run.record.reverted:
                    await run.bell.next().wait()
                    await asyncio.sleep(0)
        faulty.arm(0, before=no_answer)
        with pytest.raises(UnavailableError):
            await start(service, name="eleventh")
        assert service.spawns.find("ada", lab("lab0")) is not None
        await stop(service, name="lab0")
