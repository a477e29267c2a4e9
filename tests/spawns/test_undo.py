"""A spawn that is made to fail, or is cancelled, at every call that changes something.

The same promises hold each time.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from spawnpenny.domain.spawns import Phase, Tls
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import lab, settled, start, stop

FIRST_SPAWN = range(10)  # record, namespace, binding, policy, quota, limits, files, Secret, pod, record
RESPAWN = range(4)  # record, Secret, pod, record
RESPAWN_WITH_TLS = range(6)  # and the Secret with the key, and the Service


def refuse(call: str):
    raise ClusterForbiddenError("The cluster's policy denies it.")


async def afailing(call: str) -> None:
    refuse(call)


@pytest.fixture
def faulty(site):
    return FaultyCluster(site.cluster)


async def attempt(service, **more):
    """Start the lab; return how it ended, or None where it was not even accepted."""
    try:
        return await settled(await start(service, "faulty", **more))
    except SpawnpennyError:
        return None


async def check_promises(site, service, run):
    """Nothing of a spawn that is over is left, its reason is one sentence, and the next one works."""
    if run is not None and run.record.phase is not Phase.RUNNING:
        assert run.record.phase is Phase.FAILED
        assert run.record.reason.message.endswith(".")
        assert await site.objects(spawn=run.record.id) == {}
        assert run.record.request.env == {}
    again = await settled(await start(service, "next", replace=True))
    assert again.record.phase is Phase.RUNNING, again.record.reason


@pytest.mark.parametrize("at", FIRST_SPAWN)
async def test_a_first_spawn_that_fails_leaves_nothing_behind(site, faulty, at):
    async with replace(site, cluster=faulty).service() as service:
        faulty.arm(at, before=afailing)
        run = await attempt(service)
        await check_promises(site, service, run)


@pytest.mark.parametrize("at", RESPAWN)
async def test_a_failing_spawn_harms_nothing_that_the_user_shares(site, faulty, at):
    async with replace(site, cluster=faulty).service() as service:
        other = await settled(await start(service, name="other"))
        await site.cluster.create(volume_claim(site))
        before = await shared(site)
        faulty.arm(at, before=afailing)
        run = await attempt(service)
        assert await shared(site) == before
        assert other.record.phase is Phase.RUNNING
        await check_promises(site, service, run)


@pytest.mark.parametrize("at", FIRST_SPAWN)
async def test_a_spawn_cancelled_at_any_call_ends_gone(site, faulty, at):
    async with replace(site, cluster=faulty).service() as service:
        stops = []

        async def cancel(call):
            stops.append(asyncio.create_task(stop(service)))

        faulty.arm(at, after=cancel)
        await attempt(service)
        await asyncio.gather(*stops)
        faulty.arm()
        await stop(service)
        assert service.spawns.find("ada", lab()) is None
        assert not [name for name in await site.objects() if name.startswith(("Pod/", "Secret/"))]
        await check_promises(site, service, None)


@pytest.mark.parametrize("at", RESPAWN_WITH_TLS)
async def test_a_spawn_with_a_certificate_that_fails_leaves_nothing_behind(embedded_site, at):
    faulty = FaultyCluster(embedded_site.cluster)
    embedded_site.data["plugins"]["lab"] = {"internal_ssl": True}
    async with replace(embedded_site, cluster=faulty).service() as service:
        await settled(await start(service, name="other"))
        faulty.arm(at, before=afailing)
        run = await attempt(service, tls=Tls("a key", "a certificate", "an authority"))
        assert run is None or run.record.request.tls is None
        await check_promises(embedded_site, service, run)


async def test_these_are_all_the_calls_that_change_something(site, faulty):
    async with replace(site, cluster=faulty).service() as service:
        faulty.arm()
        await settled(await start(service))
        assert len(faulty.calls) == len(FIRST_SPAWN), faulty.calls
        await stop(service)
        faulty.arm()
        await settled(await start(service, "again"))
        assert len(faulty.calls) == len(RESPAWN), faulty.calls


def volume_claim(site):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home", "namespace": site.namespace()},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


async def shared(site):
    """Return what belongs to the user, or to the user's other lab, by uid."""
    kinds = ("ConfigMap", "ResourceQuota", "LimitRange", "NetworkPolicy", "Pod", "Secret")
    found = {name: manifest["metadata"]["uid"] for name, manifest in (await site.objects(*kinds)).items()}
    claim = await site.read("PersistentVolumeClaim", "home")
    namespace = await site.read("Namespace", site.namespace())
    own = {name: uid for name, uid in found.items() if name not in {"Pod/lab", "Secret/lab"}}
    return own | {"claim": claim["metadata"]["uid"], "namespace": namespace["metadata"]["uid"]}
