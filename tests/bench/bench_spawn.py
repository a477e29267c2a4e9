"""What spawnpenny adds to the calls that a spawn needs anyway: ratios, measured in one run on the real API server.

The floor makes the same objects by bare calls, side by side where they may be, and waits for the same pod to be Ready;
it keeps no record, and has no undo. The broker is once inside the service and once asked by claims. Run with
``make bench``.
"""

from __future__ import annotations

import asyncio
import copy
import statistics
import time
from contextlib import AsyncExitStack

from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.pods.status import is_ready
from spawnpenny.replicas.fence import Fence, FencedCluster
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import make_site, settled, start, stop

ROUNDS = 25
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
    rest = [manifest for manifest in manifests if manifest["kind"] not in {*EARLY, "Pod"}]
    await asyncio.gather(*(cluster.create(manifest) for manifest in rest))
    (pod,) = [manifest for manifest in manifests if manifest["kind"] == "Pod"]
    await cluster.create(pod)
    ref = Ref.of(pod)
    await pods.wait_for(ref.namespace, ref.name, lambda found: found is not None and is_ready(found))


async def bench_spawn(kubernetes_cluster, hollow_node):
    recording = Recording(kubernetes_cluster)
    inside = await make_site(recording)
    inside.data["plugins"]["quota"] = {"labs": 10, "cpu": 1000, "memory": "4Ti"}
    separate = await make_site(kubernetes_cluster, broker="separate")
    first = {"bare": [], "inside": [], "asked": []}
    again = {"bare": [], "inside": [], "asked": []}
    async with AsyncExitStack() as stack:
        services = {"inside": await stack.enter_async_context(inside.service())}
        await stack.enter_async_context(separate.broker())
        services["asked"] = await stack.enter_async_context(separate.service())
        for service in services.values():
            await spawn(service, "sample", "one")
        pods, old = services["inside"].service_context.pods, inside.namespace("sample")
        made = [
            manifest
            for manifest in recording.made
            if old in {manifest["metadata"].get("namespace"), manifest["metadata"]["name"]}
        ]
        for number in range(ROUNDS):
            user, namespace = f"user{number}", f"{inside.namespace('bare')}{number}"
            manifests = [renamed(manifest, old, namespace) for manifest in made]
            first["bare"].append(await timed(bare(kubernetes_cluster, pods, manifests)))
            for name, service in services.items():
                first[name].append(await timed(spawn(service, user, "one")))
                await stop(service, user=user)
            more = [manifest for manifest in manifests if manifest["kind"] in {"Secret", "Pod"}]
            for manifest in more:
                manifest["metadata"]["name"] += "-again"
                manifest["metadata"]["labels"]["spawnpenny.io/lab"] = "again"
            again["bare"].append(await timed(bare(kubernetes_cluster, pods, more)))
            for name, service in services.items():
                again[name].append(await timed(spawn(service, user, "two")))
    report("first spawn", first)
    report("respawn", again)


async def bench_many_at_once(kubernetes_cluster, hollow_node):
    """Start 100 users' labs at once, and again when all are stopped."""
    for broker in ("local", "separate"):
        site = await make_site(kubernetes_cluster, broker=broker)
        async with AsyncExitStack() as stack:
            if site.separate:
                await stack.enter_async_context(site.broker())
            service = await stack.enter_async_context(site.service())
            users = [f"user{number}" for number in range(100)]
            for name in ("first", "again"):
                seconds = await timed(asyncio.gather(*(spawn(service, user, name) for user in users)))
                print(f"\n100 labs at once, {broker:8} broker, {name:5}: {100 / seconds:6.1f} a second", end="")
                await asyncio.gather(*(stop(service, user=user) for user in users))
    print()


async def bench_fence(kubernetes_cluster):
    """Write Secrets as records are written, past the fence of the replicas and through it."""
    site = await make_site(kubernetes_cluster)
    fence = Fence(30)
    fence.open_until(asyncio.get_running_loop().time() + 3600)
    ways = {"past": kubernetes_cluster, "through": FencedCluster(kubernetes_cluster, fence)}
    seconds = {name: [] for name in ways}
    for number in range(200):
        for name, cluster in ways.items():
            metadata = {"name": f"{name}{number}", "namespace": site.settings.namespaces.state}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"record": "x" * 3000}}
            seconds[name].append(await timed(cluster.create(secret)))
    past, through = (statistics.median(seconds[name]) for name in ("past", "through"))
    print(f"\na record written through the fence: {through * 1000:.2f} ms, ratio to one past it {through / past:.2f}")


async def spawn(service, user, start_id):
    run = await settled(await start(service, start_id, user=user))
    assert run.record.url, run.record.reason


def report(what, seconds):
    bare, inside, separate = (statistics.median(seconds[name]) * 1000 for name in ("bare", "inside", "asked"))
    print(f"\n{what}: bare calls {bare:.1f} ms; broker inside {inside:.1f} ms, {inside / bare:.2f} of bare;")
    print(
        f"  broker asked by claims {separate:.1f} ms, {separate / bare:.2f} of bare, {separate / inside:.2f} of inside"
    )
