"""The room of what is ending: a start that needs it waits, on the real ResourceQuota, and none is refused for it."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.spawns import Key, Phase, Scale
from spawnpenny.errors import QuotaExceededError
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start, start_cluster


def messages(run):
    return [event.message for event in run.record.log.since(None)]


@pytest.fixture
def narrow(kube_site):
    """Have a site whose users have room for one lab: by number, by its memory, by its cores."""
    kube_site.data["plugins"]["lab"] = {"sizes": {"small": {"cpu": 1, "memory": "1Gi"}}}

    def make(**quota):
        kube_site.data["plugins"]["quota"] = {"labs": 3, "cpu": 8, "memory": "8Gi", **quota}
        return kube_site

    return make


@pytest.mark.parametrize("quota", [{"labs": 1}, {"memory": "1500Mi"}, {"cpu": 1.5}])
async def test_a_lab_waits_for_one_that_ends(narrow, quota):
    async with narrow(**quota).service() as service:
        await settled(await start(service, "s1", name="one"))
        ending = await service.spawns.stop("ada", lab("one"))
        assert not ending.gone
        two = await start(service, "s2", name="two")
        with pytest.raises(QuotaExceededError):  # the room is taken by who waits for it
            await start(service, "s3", name="three")
        await settled(two)
        assert two.record.phase is Phase.RUNNING, two.record.reason
        assert ending.gone
        assert "Waiting until the lab 'one' has ended." in messages(two)
        with pytest.raises(QuotaExceededError):
            await start(service, "s4", name="four")


async def test_one_that_waits_can_be_stopped_and_another_one_waits_then(narrow):
    async with narrow(labs=1).service() as service:
        await settled(await start(service, "s1", name="one"))
        await service.spawns.stop("ada", lab("one"))
        two = await start(service, "s2", name="two")
        await service.spawns.stop("ada", lab("two"))
        three = await settled(await start(service, "s3", name="three"))
        assert three.record.phase is Phase.RUNNING, three.record.reason
        await two.until_gone()


async def test_what_is_undone_or_ended_by_itself_is_waited_for_too(narrow, hollow_node):
    site = narrow(memory="1500Mi")
    async with site.service() as service:
        one = await settled(await start(service, "s1", name="one"))
        await hollow_node.exit(site.namespace(), *iter_pods(one), 1, "Error")
        while not one.record.phase.over:
            await one.bell.next().wait()
        two = await settled(await start(service, "s2", name="two"))
        assert two.record.phase is Phase.RUNNING, two.record.reason


def iter_pods(run):
    return (place.partition("/")[2] for place in run.record.uids if place.startswith("Pod/"))


async def test_one_that_does_not_go_is_named_by_the_deadline(narrow):
    site = narrow(labs=1)
    async with site.service() as service:
        one = await settled(await start(service, "s1", name="one"))
        ref = site.ref("Pod", *iter_pods(one))
        await site.cluster.patch(ref, {"metadata": {"finalizers": ["example.org/hold"]}})
        await service.spawns.stop("ada", lab("one"))
        two = await settled(await start(service, "s2", name="two", timeout=12))
        assert two.record.phase is Phase.FAILED
        assert "Waiting until the lab 'one' has ended." in two.record.reason.message
        assert not one.gone
        await site.cluster.patch(ref, {"metadata": {"finalizers": []}})
        await one.until_gone()


async def test_workers_of_one_cluster_wait_for_another_that_ends(kube_site, hollow_schedulers):
    kube_site.data["plugins"] |= {
        "dask": {"max_clusters": 1, "worker": {"memory": "1Gi"}},
        "quota": {"cpu": 4, "memory": "4Gi"},
    }
    async with kube_site.service() as service:
        await settled(await start_cluster(service, "c1"))
        await service.spawns.scale("ada", Key("dask", "c1"), Scale(3))
        await pods(service, kube_site, 4)
        await service.spawns.stop("ada", Key("dask", "c1"))
        two = await start_cluster(service, "c2")
        scaled = await service.spawns.scale("ada", Key("dask", "c2"), Scale(3))
        assert (scaled.scale.count, scaled.refusal) == (3, None)
        await settled(two)
        assert two.record.phase is Phase.RUNNING, two.record.reason
        await pods(service, kube_site, 4, spawn_id=two.record.id)
        assert "Waiting until the Dask cluster 'c1' has ended." in messages(two)


async def pods(service, site, count, spawn_id=None):
    """Wait until there are so many pods that run, and no others."""

    def found():
        existing = service.service_context.pods.within(site.namespace())
        return [
            pod for pod in existing if spawn_id is None or pod["metadata"]["labels"]["spawnpenny.io/spawn"] == spawn_id
        ]

    with service.service_context.pods.subscribe() as changes:
        async with asyncio.timeout(PATIENCE):
            while len(found()) != count or any(pod.get("status", {}).get("phase") != "Running" for pod in found()):
                await anext(changes)
