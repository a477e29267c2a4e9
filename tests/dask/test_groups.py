"""Groups of workers on real schedulers and workers: sizes, pinned tasks, and each group scaled by itself."""

from __future__ import annotations

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

DASK = {"worker_groups": {"spot": {"memory": "768Mi", "threads": 2, "max": 3, "resources": {"GPU": 2}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(ada):
    """Have a running cluster of ada's, in her notebook as ``cluster``."""
    yield await ada.run("cluster = gateway.new_cluster(); client = cluster.get_client(); cluster.name")
    await ada.run("cluster.shutdown()")


async def scale(dask, cluster, count, group=None):
    _, answer = await dask.ask("POST", f"/gateway/api/v1/clusters/{cluster}/scale", {"count": count, "group": group})
    return answer


async def until_groups(dask, cluster, **counts):
    """Wait until so many workers of each group run, and no others."""

    async def present():
        seen = (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]
        return {name: (group["running"], group["pending"]) for name, group in seen["groups"].items()} == {
            name: (count, 0) for name, count in counts.items()
        }

    await dask.until(present, f"workers: {counts}")


async def test_tasks_are_pinned_to_a_group_and_each_has_its_own_size(dask, ada, cluster):
    assert (await scale(dask, cluster, 1))["ok"]
    assert (await scale(dask, cluster, 1, "spot"))["ok"]
    await until_groups(dask, cluster, default=1, spot=1)
    await ada.run("client.wait_for_workers(2, timeout=100)")
    await ada.run("from distributed import get_worker\ndef where(_):\n    return get_worker().name")
    for group, threads in (("default", 1), ("spot", 2)):
        names = await ada.run(
            f"sorted(set(client.gather(client.map(where, range(8), resources={{{group!r}: 1}}, pure=False))))"
        )
        (pod,) = [worker for worker in await dask.workers(cluster) if worker["metadata"]["name"] in names]
        assert pod["metadata"]["labels"].get("spawnpenny.io/worker-group", "default") == group
        answer = await ada.run(
            f"[(w['nthreads'], w['resources']) for w in client.scheduler_info()['workers'].values()"
            f" if w['name'] == {names[0]!r}]"
        )
        assert answer == [[threads, {"default": 1} if group == "default" else {"GPU": 2, "spot": 2}]]
    assert await ada.run("client.submit(lambda: 1, resources={'GPU': 2}).result(timeout=100)") == 1


async def test_a_group_is_scaled_down_by_itself_and_its_data_moves_to_the_others(dask, ada, cluster):
    await scale(dask, cluster, 1)
    await scale(dask, cluster, 2, "spot")
    await until_groups(dask, cluster, default=1, spot=2)
    await ada.run("client.wait_for_workers(3, timeout=100)")
    await ada.run("kept = client.map(lambda x: x, range(6), resources={'spot': 1})\nNone")
    await ada.run("from distributed import wait; wait(kept); None")
    await scale(dask, cluster, 0, "spot")
    await until_groups(dask, cluster, default=1, spot=0)
    assert await ada.run("client.gather(kept)") == list(range(6))
    await ada.run("del kept")


async def test_a_group_has_no_more_workers_than_the_site_says(dask, cluster):
    answer = await scale(dask, cluster, 5, "spot")
    assert (answer["ok"], "workers of the group spot" in answer["msg"]) == (False, True)
    assert answer["msg"].endswith("Scaling to 3 instead.") or "Scaling to 3 instead." in answer["msg"]
    await scale(dask, cluster, 0, "spot")


async def test_adapting_leaves_the_other_groups_as_they_are(dask, ada, cluster):
    await scale(dask, cluster, 0)
    await scale(dask, cluster, 1, "spot")
    await until_groups(dask, cluster, default=0, spot=1)
    await ada.run("cluster.adapt(minimum=0, maximum=2)")
    await ada.run("busy = client.map(lambda x: __import__('time').sleep(0.5), range(400), pure=False)\nNone")

    async def more():
        return (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["groups"]["default"]["running"] > 0

    await dask.until(more, "a worker of the default group")
    await ada.run("del busy")
    await until_groups(dask, cluster, default=0, spot=1)
    await scale(dask, cluster, 0)
    await scale(dask, cluster, 0, "spot")
