"""Containers that a webhook adds to the pods of a cluster decide nothing: a worker's own does."""

from __future__ import annotations

import pytest

STAYING = {"name": "aside", "image": "wait"}
CRASHING = {"name": "aside", "image": "wait", "command": ["sh", "-c", "exit 3"]}
BARE = {"nanny": False, "memory": "1Gi"}
KILL = """
import os
client.wait_for_workers(1)
try:
    client.submit(lambda: os.kill(os.getpid(), 9)).result(timeout=100)
except Exception as error:
    print(type(error).__name__)
client.wait_for_workers(1)
print(client.submit(pow, 2, 5).result(timeout=100))
"""


@pytest.fixture
def inject(dask_site, monkeypatch):
    """Have a function that adds a container before the others of each pod that is created, as a webhook does."""
    create = dask_site.site.cluster.create

    def injected(sidecar):
        async def mutated(manifest, resource=None):
            if manifest["kind"] == "Pod":
                containers = [dict(sidecar), *manifest["spec"]["containers"]]
                manifest = {**manifest, "spec": {**manifest["spec"], "containers": containers}}
            return await create(manifest, resource)

        monkeypatch.setattr(dask_site.site.cluster, "create", mutated)

    return injected


async def test_a_worker_whose_program_has_ended_is_replaced_though_a_sidecar_runs_on(dask_site, inject):
    inject(STAYING)
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    async with dask_site.running(worker=BARE) as site:
        assert (await site.cluster(environment=once)).record.reason is None
        await site.scale(1)
        first = await site.until_workers(1)
        assert await site.python_in("c1", KILL) == "KilledWorker\n32"
        assert site.workers() != first
        assert "A worker has ended. The container worker ended by itself with exit code 137." in site.events()


async def test_the_crash_of_a_sidecar_is_not_the_workers(dask_site, inject):
    inject(CRASHING)
    async with dask_site.running(worker={"memory": "1Gi"}) as site:
        assert (await site.cluster()).record.reason is None
        await site.scale(1)
        first = await site.until_workers(1)
        script = "client.wait_for_workers(1)\nprint(client.submit(pow, 2, 5).result())"
        assert await site.python_in("c1", script) == "32"
        await site.notified("It runs beside a worker.")
        assert site.workers() == first
        assert not [message for message in site.events() if message.startswith("A worker")]


async def test_a_scheduler_whose_program_has_ended_is_the_end_though_a_sidecar_runs_on(dask_site, inject):
    inject(STAYING)
    async with dask_site.running() as site:
        await site.cluster()
        await site.python_in("c1", "client.shutdown()")
        assert (await site.ended()).code == "program_ended"
        assert not await site.site.objects("Pod", "Secret")
