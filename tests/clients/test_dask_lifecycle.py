"""What a user learns of a cluster that is in trouble, has ended, or is out of reach for a while."""

from __future__ import annotations

import pytest
import pytest_asyncio

from spawnpenny.testing.notebook import CellError

from .conftest import notebook

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAKE = (
    "cluster = SpawnpennyCluster(n_workers=1); client = cluster.get_client(); client.wait_for_workers(1); cluster.name"
)
UNTIL = """
    import threading
    happened, take = threading.Event(), cluster._take
    def taken(event):
        take(event)
        if {words!r} in event.message:
            happened.set()
    cluster._watch._on_event = taken
"""
ENDED = """
    cluster.sync(cluster._watch.ended.wait)
    [str(cluster.status), cluster.end, repr(cluster), len(cluster.scheduler_info['workers'])]
"""


@pytest_asyncio.fixture(loop_scope="module")
async def anns(dask):
    """Have a notebook of its own, as clusters and clients in it end badly."""
    async with notebook(dask) as found:
        yield found


async def refusals(ada):
    """Return what each use of a cluster that has ended raises."""
    found = []
    for cell in (
        "cluster.get_client()",
        "cluster.scale(2)",
        "cluster.adapt(0, 1)",
        "cluster.new_dashboard_link()",
        "cluster.wait_for_workers(1)",
        "Client(cluster)",
    ):
        with pytest.raises(CellError) as caught:
            await ada.run(f"from distributed import Client\n{cell}")
        found.append(str(caught.value))
    return found


async def test_what_happens_to_a_worker_is_heard_of_while_the_cluster_runs(dask, anns):
    name = await anns.run(MAKE)
    await anns.run(UNTIL.format(words="worker"))
    (worker,) = await dask.workers(name)
    await dask.kill(worker)
    assert await anns.run("happened.wait(100)")
    assert "137" in await anns.run("cluster.get_logs(scheduler=False, workers=False)['Cluster']")
    await anns.run("""
        from dataclasses import replace
        cluster._watch._trouble = replace(cluster.get_events()[-1], message="<b>0/3</b> nodes", severity="warning")
    """)
    assert await anns.run("cluster.trouble in repr(cluster)")
    shown = await anns.run("cluster._repr_html_()")
    assert "&lt;b&gt;0/3&lt;/b&gt; nodes" in shown
    assert "<b>" not in shown
    assert "137" in await anns.run("' '.join(event.message for event in cluster.get_events())")
    await anns.run("cluster.scale(2); cluster.wait_for_workers(2, timeout=40)")
    assert await anns.run("[cluster.trouble, 'trouble' in repr(cluster)]") == [None, False]
    await anns.run("client.close(); cluster.close()")
    assert await anns.run("[sorted(cluster.plan - cluster.observed), 'Dashboard' in cluster._repr_html_()]") == [
        [],
        False,
    ]


async def test_every_call_reports_a_dead_scheduler_with_its_reason(dask, anns):
    name = await anns.run(MAKE)
    await anns.run("future = client.submit(__import__('time').sleep, 60)")
    await dask.kill(await dask.scheduler(name))
    with pytest.raises(CellError):
        await anns.run("future.result()")
    assert "137" in await anns.run("cluster.get_logs()['Cluster']")
    status, end, shown, workers = await anns.run(ENDED)
    assert (status, workers) == ("Status.closed", 0)
    assert "has ended" in end
    assert "137" in end
    assert end in shown
    assert "137" in await anns.run("cluster._repr_html_()")
    assert all("137" in refusal for refusal in await refusals(anns))
    assert await anns.run("client.status") == "closed"
    with pytest.raises(CellError):
        await anns.run("client.submit(pow, 2, 3).result()")
    await anns.run("client.close(); cluster.close(); cluster.shutdown()")


async def test_a_cluster_that_is_stopped_elsewhere_is_closed_here_and_says_so(dask, anns):
    name = await anns.run(MAKE)
    await anns.run(UNTIL.format(words="stopping"))
    await dask.ask("DELETE", f"/gateway/api/v1/clusters/{name}")
    assert await anns.run("happened.wait(100) and cluster._watch.look is not None")
    with pytest.raises(CellError, match="stopped"):
        await anns.run("cluster.wait_for_workers(5)")
    assert (await anns.run(ENDED))[0] == "Status.closed"
    assert all("stopped" in refusal for refusal in await refusals(anns))


async def test_a_connection_that_is_lost_is_made_again(dask, anns):
    name = await anns.run(
        "through = SpawnpennyCluster(n_workers=1, proxy=True); through.wait_for_workers(1); through.name"
    )
    await dask.proxy.stop()
    await dask.proxy.start()
    await anns.run("through.scale(2); through.wait_for_workers(2, timeout=100)")
    assert await anns.run("[str(through.status), through.end]") == ["Status.running", None]
    await anns.run("through.close()")
    assert name not in await anns.run("[report.name for report in SpawnpennyCluster.list()]")


async def test_the_oldest_distributed_knows_of_an_end_too(dask, oldest):
    async with notebook(dask, python=oldest) as old:
        name = await old.run(MAKE.replace("n_workers=1", "n_workers=1, image='spawnpenny/old'"))
        await old.run("cluster.scale(cores=1); cluster.adapt(0, 1, True); repr(cluster), len(cluster._repr_html_())")
        await dask.kill(await dask.scheduler(name))
        with pytest.raises(CellError, match="137"):
            await old.run("cluster.wait_for_workers(5)")
        assert (await old.run(ENDED))[0] == "Status.closed"
        assert all("137" in refusal for refusal in await refusals(old))
        await old.run("client.close(); cluster.close()")
