"""Twenty Dask clusters at once on the real API server: scaled, killed, cleaned, and a lab beside them is untouched."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Key, Phase, Scale
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.replicas.ownership import record_name
from spawnpenny.testing.killable import KillableCluster
from spawnpenny.testing.site import lab, settled, start, start_cluster
from tests.kit.replica import KillableReplica

USERS = ("ada", "bob", "eve", "grace")
CLUSTERS_OF_A_USER = 5 if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else 1
"""Clusters of each user: twenty in all in a full run, else four."""
WORKERS = 20
PLACES = [(user, f"c{number}") for user in USERS for number in range(CLUSTERS_OF_A_USER)]
LOST = PLACES[:: CLUSTERS_OF_A_USER + 1]
"""Those whose schedulers are killed."""


@dataclass
class Clusters:
    """The clusters of all users, as one of the services sees them."""

    site: object
    service: object

    async def all(self, work, places=PLACES, *args):
        """Do the same with several clusters at once."""
        return await asyncio.gather(*(work(*place, *args) for place in places))

    async def start(self, user, name):
        run = await settled(await start_cluster(self.service, name, user=user))
        assert run.record.phase is Phase.RUNNING, run.record.reason

    async def scale(self, user, name, count):
        """Scale one: it is durable when this returns."""
        scaled = await self.service.spawns.scale(user, Key("dask", name), Scale(count))
        assert (scaled.scale.count, scaled.refusal) == (count, None)

    async def until(self, user, name, count, without=frozenset()):
        """Wait until one has so many workers that run, and no others."""
        existing = {pod["metadata"]["name"]: pod for pod in self.workers(user, name)}
        spawn_id = self.run(user, name).record.id
        with self.service.service_context.pods.subscribe() as changes:
            while len(existing) != count or not all(map(runs, existing.values())) or existing.keys() & without:
                change = await anext(changes)
                if is_worker_of(spawn_id, change.object):
                    existing.pop(change.object["metadata"]["name"], None)
                    existing |= {} if change.type == "DELETED" else {change.object["metadata"]["name"]: change.object}

    async def lose_two(self, node, user, name):
        """Have two workers of a cluster end; return when they are replaced."""
        count = self.run(user, name).record.scale.count
        killed, deleted = [pod["metadata"] for pod in self.workers(user, name)][:2]
        await node.exit(killed["namespace"], killed["name"], 137, "OOMKilled")
        await self.site.cluster.delete(self.site.ref("Pod", deleted["name"], deleted["namespace"]))
        await self.until(user, name, count, frozenset({killed["name"], deleted["name"]}))
        assert self.run(user, name).record.phase is Phase.RUNNING

    async def lose_the_scheduler(self, node, user, name):
        """Have a scheduler end; return when nothing is left of the cluster but why."""
        run = self.run(user, name)
        await node.exit(self.site.namespace(user), f"dask-{name}", 137, "OOMKilled")
        while not (run.record.phase.over and run.record.reverted):
            await run.bell.next().wait()
        assert run.record.phase is Phase.EXITED
        assert "memory" in run.record.reason.message
        assert await self.site.objects(user=user, spawn=run.record.id) == {}

    async def stop(self, user, name):
        await (await self.service.spawns.stop(user, Key("dask", name))).until_gone()

    def workers(self, user, name):
        spawn_id = self.run(user, name).record.id
        return [
            pod
            for pod in self.service.service_context.pods.within(self.site.namespace(user))
            if is_worker_of(spawn_id, pod)
        ]

    def run(self, user, name):
        return self.service.spawns.find(user, Key("dask", name))


def runs(pod):
    return pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def is_worker_of(spawn_id, pod):
    found = pod["metadata"]["labels"]
    return labels.PART in found and found[labels.SPAWN] == spawn_id


@pytest.fixture
async def replicas(kube_site, hollow_schedulers):
    """Have two replicas: the first one has begun."""
    kube_site.data["plugins"] |= {"dask": {"max_clusters": 10}, "quota": {"cpu": 200, "memory": "400Gi"}}
    kube_site.data["replicas"] = {"lease": 8}
    found = [KillableReplica(name, kube_site, KillableCluster(kube_site.cluster)) for name in ("one", "two")]
    await found[0].start()
    yield found
    for replica in found:
        replica.kill()
        await replica.release()


async def taken_over(service):
    """Wait until a service looks after all users."""
    ownership = service.membership.ownership
    for user in USERS:
        await ownership.records.wait_for(ownership.namespace, record_name(user), lambda record: record is not None)
        while True:
            moved = service.moved.next()
            try:
                service.spawns.find(user, lab())
            except ElsewhereError:
                await moved.wait()
            else:
                break


async def check_only_the_lab_is_left(site, service, uid):
    for user in USERS:
        left = {"Pod/lab", "Secret/lab"} if user == "ada" else set()
        assert set(await site.objects("Pod", "Secret", user=user)) == left
    pod, run = await site.read("Pod", "lab"), service.spawns.find("ada", lab())
    assert (pod["metadata"]["uid"], run.record.phase) == (uid, Phase.RUNNING)
    assert [event.phase for event in run.record.log.since(None) if event.phase] == ["pending", "running"]


async def test_many_clusters_are_scaled_killed_and_cleaned_beside_a_lab(kube_site, hollow_node, replicas, capsys):
    one, two = replicas
    took = Took()
    clusters = Clusters(kube_site, one.service)
    beside = await settled(await start(one.service))
    await clusters.all(clusters.start)
    took("up")
    for count, way in ((WORKERS, "up"), (WORKERS // 2, "down")):
        await clusters.all(clusters.scale, PLACES, count)
        await clusters.all(clusters.until, PLACES, count)
        took(f"scaled {way}")
    await two.start()
    await clusters.all(clusters.scale, PLACES, WORKERS)
    one.kill()
    await taken_over(two.service)
    clusters = Clusters(kube_site, two.service)
    await clusters.all(clusters.until, PLACES, WORKERS)
    took("service killed, scaled up by the other")
    await asyncio.gather(*(clusters.lose_two(hollow_node, *place) for place in PLACES))
    took("two workers of each replaced")
    await asyncio.gather(*(clusters.lose_the_scheduler(hollow_node, *place) for place in LOST))
    took("some schedulers killed")
    await clusters.all(clusters.stop, [place for place in PLACES if place not in LOST])
    took("stopped")
    await check_only_the_lab_is_left(kube_site, two.service, beside.record.pod_uid)
    with capsys.disabled():
        print(took)  # noqa: T201 - what a reader of the log wants to know


class Took:
    """How long each part took."""

    def __init__(self):
        self.last, self.parts = time.monotonic(), []

    def __call__(self, part):
        now = time.monotonic()
        self.parts.append(f"{part} {now - self.last:.1f} s")
        self.last = now

    def __str__(self):
        return f"\n{len(PLACES)} clusters of {WORKERS} workers: {', '.join(self.parts)}"
