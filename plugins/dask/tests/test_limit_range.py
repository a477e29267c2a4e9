"""A LimitRange of the cluster's administrator that refuses workers, on the real API server."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.api import Key, Phase, Scale
from spawnpenny.testing.site import settled, start, start_cluster

KEY = Key("dask", "c1")


@pytest.fixture
async def limited(kube_site, hollow_schedulers):
    """Have a service, and a LimitRange in ada's namespace that a worker of the default size is over."""
    kube_site.data["plugins"]["dask"] = {"scheduler": {"memory": "512Mi"}, "worker": {"memory": "2Gi"}}
    async with kube_site.service() as service:
        await settled(await start(service))  # the namespace is there
        limit_range = {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "site", "namespace": kube_site.namespace()},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
        }
        await kube_site.cluster.create(limit_range, kube_site.ref("LimitRange", "site").resource)
        yield kube_site, service


async def first_event(run, code):
    """Return the first event of a code."""
    async with asyncio.timeout(40):
        while not (found := [event for event in run.record.log.since(None) if event.code == code]):
            await run.bell.next().wait()
    return found[0]


def attempts(apiserver, start):
    made = apiserver.audit(start, user_agent="spawnpenny/")
    return [request for request in made if (request.verb, request.resource) == ("create", "pods")]


async def test_the_reason_is_said_at_once_and_workers_come_when_it_is_gone(limited, apiserver):
    site, service = limited
    run = await settled(await start_cluster(service, "c1"))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    start = apiserver.audit_position()
    await service.spawns.scale("ada", KEY, Scale(3))
    event = await first_event(run, "limit_range_refused")
    assert "maximum memory usage per Container is 1Gi, but limit is 2Gi" in event.message
    assert "A worker cannot be made; it is tried again." in event.message
    assert len(attempts(apiserver, start)) <= 6  # of three workers, with a pause after the second time
    async with asyncio.timeout(40):
        while run.held_back is None:  # noqa: ASYNC110 - nothing says when it is set: lists of workers read it
            await asyncio.sleep(0.05)
    assert run.held_back.code == "limit_range_refused"
    assert len([other for other in run.record.log.since(None) if other.code == event.code]) == 1
    await site.cluster.delete(site.ref("LimitRange", "site"))
    async with asyncio.timeout(60):
        with service.service_context.pods.subscribe() as changes:
            while (
                len([pod for pod in service.service_context.pods.within(site.namespace()) if ".w-" in name_of(pod)]) < 3
            ):
                await anext(changes)


def name_of(pod):
    return pod["metadata"]["name"]


async def test_one_that_is_scaled_while_it_starts_runs_all_the_same(limited, apiserver):
    _, service = limited
    start = apiserver.audit_position()
    run = await start_cluster(service, "c1")
    await service.spawns.scale("ada", KEY, Scale(1))
    await settled(run)
    assert run.record.phase is Phase.RUNNING, run.record.reason
    await first_event(run, "limit_range_refused")
    assert len(attempts(apiserver, start)) <= 4
