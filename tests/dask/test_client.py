"""The unmodified client of PyPI: all of its ways, each with real schedulers and workers."""

from __future__ import annotations

import re

import aiohttp
import pytest
import pytest_asyncio

from spawnpenny.testing.notebook import CellError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(dask, ada):
    """Have a cluster of ada's with a worker, in the notebook as ``cluster`` and ``client``; its name."""
    name = await ada.run("""
        cluster = gateway.new_cluster()
        cluster.scale(1)
        client = cluster.get_client()
        client.wait_for_workers(1, timeout=100)
        cluster.name
    """)
    yield name
    await ada.run("cluster.shutdown()")


async def test_options_are_shown_with_their_bounds_and_a_wrong_one_is_refused_by_name(dask, ada):
    assert "worker_cores" in await ada.run("list(gateway.cluster_options())")
    with pytest.raises(CellError, match="worker_cors"):
        await ada.run("gateway.new_cluster(worker_cors=2)")
    with pytest.raises(CellError, match=r"worker_cores.*number"):
        await ada.run("gateway.new_cluster(worker_cores=10_000)")
    assert await ada.run("gateway.list_clusters()") == []


async def test_arrays_go_there_and_come_back(ada, cluster):
    sums = await ada.run("""
        rows = client.scatter([np.full(250_000, n) for n in range(4)])
        parts = client.gather(client.map(np.multiply, rows, rows))
        [float(part.mean()) for part in parts]
    """)
    assert sums == [0, 1, 4, 9]


async def test_a_scale_down_keeps_the_data(dask, ada, cluster):
    await ada.run("""
        cluster.scale(3)
        client.wait_for_workers(3, timeout=100)
        kept = client.scatter([np.full(1000, n) for n in range(9)], broadcast=False)
        cluster.scale(1)
    """)

    async def one_left():
        return len(await dask.workers(cluster)) == 1

    await dask.until(one_left, "one worker")
    # What was scattered cannot be computed again: it has been moved.
    assert await ada.run("sorted(int(part[0]) for part in client.gather(kept))") == list(range(9))


async def test_adapt_follows_the_work_up_and_down(dask, ada, cluster):
    await ada.run("""
        from distributed import Event
        cluster.adapt(minimum=1, maximum=2)
        work = client.map(lambda n: Event("enough").wait(100), range(40))
        client.wait_for_workers(2, timeout=100)
        Event("enough").set()
        client.gather(work)
        del work
    """)

    async def one_left():
        return len(await dask.workers(cluster)) == 1

    await dask.until(one_left, "one worker")
    await ada.run("cluster.scale(1)")  # no longer adaptive
    assert (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"] == {
        "count": 1,
        "minimum": 0,
        "maximum": None,
        "adaptive": False,
    }


async def test_a_second_client_finds_the_cluster_connects_and_computes(dask, ada, cluster):
    async with dask.notebook("ada") as second:
        found = await second.run("""
            from dask_gateway import Gateway
            gateway = Gateway()
            [(report.name, report.status.name) for report in gateway.list_clusters()]
        """)
        assert found == [[cluster, "RUNNING"]]
        assert (
            await second.run(f"""
            other = gateway.connect({cluster!r})
            other.get_client().submit(pow, 7, 2).result()
        """)
            == 49
        )
    assert await ada.run("client.submit(pow, 6, 2).result()") == 36  # the second one's end is not the cluster's


async def test_the_dashboard_opens_by_its_link_and_updates_by_its_websocket(dask, ada, cluster):
    link = await ada.run("cluster.dashboard_link")
    assert link.startswith(f"{dask.dashboards}/clusters/{cluster}/")
    async with aiohttp.ClientSession() as browser:
        async with browser.post(link) as answer:
            page = await answer.text()
            assert answer.status == 200
            assert "bokeh" in page
            (token,) = re.findall(r'"token":"([^"]+)"', page)
            place = str(answer.url).split("?")[0]
        async with browser.ws_connect(f"{place}/ws", protocols=("bokeh", token)) as socket:
            assert socket.protocol == "bokeh"
            assert "ACK" in (await socket.receive(timeout=100)).data


async def test_a_cluster_that_is_shut_down_leaves_nothing(dask, ada):
    name = await ada.run("""
        short = gateway.new_cluster()
        short.scale(1)
        short.get_client().wait_for_workers(1, timeout=100)
        short.name
    """)
    (_, answer) = await dask.ask("GET", f"/v1/users/ada/dask/{name}")
    assert await dask.site.objects(spawn=answer["spawn"])
    await ada.run("short.shutdown()")

    async def gone():
        return not await dask.site.objects(spawn=answer["spawn"])

    await dask.until(gone, "nothing left of the cluster")
    assert name not in await ada.run("[report.name for report in gateway.list_clusters()]")


async def test_the_end_of_the_notebook_ends_its_cluster(dask):
    async with dask.notebook("bob") as notebook:
        name = await notebook.run("from dask_gateway import Gateway; cluster = Gateway().new_cluster(); cluster.name")
        (spawn,) = [pod["metadata"]["labels"]["spawnpenny.io/spawn"] for pod in await dask.pods(name, "bob")]

    async def gone():
        return not await dask.site.objects(user="bob", spawn=spawn)

    await dask.until(gone, "nothing left of the cluster")
