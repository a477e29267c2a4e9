"""What spawnpenny adds to the calls that a spawn needs anyway: ratios, measured in one run on the real API server.

The floor makes the same objects by bare calls, side by side where they may be, and waits for the same pod to be Ready;
it keeps no record, and has no undo. Run with ``make bench``.
"""

from __future__ import annotations

import asyncio
import copy
import statistics
import time

from spawnpenny.cluster.port import Ref
from spawnpenny.pipeline.podstate import is_ready
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import make_site, settled, start, stop

ROUNDS = 15
EARLY = ("Namespace", "RoleBinding")


class Recording(FaultyCluster):
    """Keeps the manifests of one spawn, to make them again by bare calls."""

    async def create(self, manifest, resource=None):
        self.made = [*getattr(self, "made", []), manifest]
        return await super().create(manifest, resource)


def renamed(manifest, old, new):
    """Return a manifest for another namespace."""
    manifest = copy.deepcopy(manifest)
    metadata = manifest["metadata"]
    if manifest["kind"] == "Namespace":
        metadata["name"] = new
    elif metadata.get("namespace") == old:
        metadata["namespace"] = new
    return manifest


async def timed(work):
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def bare(cluster, pods, manifests):
    """Make the objects of a spawn by bare calls."""
    for manifest in manifests:
        if manifest["kind"] in EARLY:
            await cluster.create(manifest)
    rest = [each for each in manifests if each["kind"] not in {*EARLY, "Pod"}]
    await asyncio.gather(*(cluster.create(each) for each in rest))
    (pod,) = [each for each in manifests if each["kind"] == "Pod"]
    await cluster.create(pod)
    ref = Ref.of(pod)
    await pods.wait_for(ref.namespace, ref.name, lambda found: found is not None and is_ready(found))


async def bench_spawn(kubernetes_cluster, hollow_node):
    recording = Recording(kubernetes_cluster)
    site = await make_site(recording)
    site.data["plugins"]["quota"] = {"labs": 10, "cpu": 1000, "memory": "4Ti"}
    first, respawn, floor_first, floor_respawn = [], [], [], []
    async with site.service() as service:
        await settled(await start(service, user="sample"))
        pods, old = service.world.pods, site.namespace("sample")
        made = [each for each in recording.made if old in {each["metadata"].get("namespace"), each["metadata"]["name"]}]
        for number in range(ROUNDS):
            user, namespace = f"user{number}", f"{site.namespace('bare')}{number}"
            manifests = [renamed(each, old, namespace) for each in made]
            floor_first.append(await timed(bare(kubernetes_cluster, pods, manifests)))
            first.append(await timed(spawn(service, user, "one")))
            await stop(service, user=user)
            again = [each for each in manifests if each["kind"] in {"Secret", "Pod"}]
            for each in again:
                each["metadata"]["name"] += "-again"
                each["metadata"]["labels"]["spawnpenny.io/lab"] = "again"
            floor_respawn.append(await timed(bare(kubernetes_cluster, pods, again)))
            respawn.append(await timed(spawn(service, user, "two")))
    tell("first spawn", first, floor_first)
    tell("respawn", respawn, floor_respawn)
    await bench_load(kubernetes_cluster)


async def spawn(service, user, start_id):
    run = await settled(await start(service, start_id, user=user))
    assert run.record.url, run.record.reason


async def bench_load(cluster):
    """Start 100 users' labs at once, and again when all are stopped."""
    site = await make_site(cluster)
    async with site.service() as service:
        users = [f"user{number}" for number in range(100)]
        for name in ("first", "again"):
            seconds = await timed(asyncio.gather(*(spawn(service, user, name) for user in users)))
            print(f"100 labs at once, {name:5}: {100 / seconds:6.1f} a second")
            await asyncio.gather(*(stop(service, user=user) for user in users))


def tell(what, ours, floor):
    ours, floor = statistics.median(ours) * 1000, statistics.median(floor) * 1000
    print(f"\n{what:12}: {ours:6.1f} ms, bare calls {floor:6.1f} ms, ratio {ours / floor:.2f}")
