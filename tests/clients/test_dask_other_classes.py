"""What is written for GatewayCluster, KubeCluster and LocalCluster runs on SpawnpennyCluster."""

from __future__ import annotations

import pytest

from spawnpenny.testing.notebook import CellError

from .conftest import clusters

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_clients_and_closing_as_for_dask_gateway(dask, ada, cluster):
    assert await ada.run(f"""
        from distributed import Client
        other = SpawnpennyCluster.from_name(cluster_name={cluster!r})
        first, second = other.get_client(set_as_default=False), other.get_client(False)
        found = [Client.current() is client, first.submit(pow, 2, 3).result(), first is second]
        first.close(); second.close()
        other.close(shutdown=False)
        found
    """) == [True, 8, False]
    name = await ada.run("further = SpawnpennyCluster(); further.close(False); further.name")
    assert (
        await ada.run(f"again = SpawnpennyCluster.from_name({name!r}); again.close(shutdown=True); again.name") == name
    )
    assert name not in await clusters(dask)


@pytest.mark.parametrize(
    ("cell", "scale", "warning"),
    [
        ("cluster.adapt(0, 2, True)", (0, 2, True), None),
        ("cluster.adapt(1, 3)", (1, 3, True), None),
        ("cluster.adapt(minimum=0, maximum=float('inf'))", (0, None, True), None),
        ("cluster.adapt(minimum=0, maximum=2, interval='1s', wait_count=3)", (0, 2, True), "interval, wait_count"),
        ("cluster.adapt(minimum_cores=1, maximum_cores=3)", (1, 3, True), None),
        ("cluster.adapt(maximum_memory='4 GiB')", (0, 2, True), None),
        ("cluster.adapt(minimum_memory='4 GiB', maximum_cores=float('inf'))", (2, None, True), None),
        ("cluster.adapt(active=False)", (0, None, False), None),
    ],
)
async def test_adapting_as_for_other_clusters(dask, ada, cluster, cell, scale, warning):
    await ada.run("cluster.scale(1); cluster.wait_for_workers(1, timeout=100)")
    await ada.run(cell)
    answer = (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"]
    assert (answer["minimum"], answer["maximum"], answer["adaptive"]) == scale
    assert [warning in text for text in ada.warnings] == ([True] if warning else [])


async def test_scaling_as_for_other_clusters(dask, ada, cluster):
    for cell, count in (
        ("cluster.scale(n=2)", 2),
        ("cluster.scale(cores=3)", 3),
        ("cluster.scale(memory='4 GiB')", 2),
        ("cluster.scale(memory=2**31 + 1)", 2),
        ("cluster.scale(1, cores=2)", 2),
        ("import numpy; cluster.scale(numpy.int64(1))", 1),
    ):
        await ada.run(cell)
        assert (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"]["count"] == count
    with pytest.raises(CellError, match="maximun"):
        await ada.run("cluster.adapt(maximun=2)")
    for wrong, words in (
        ("'2'", "whole number"),
        ("-1", "less than 0"),
        ("", "needs a number"),
        ("cores='2'", "cores is '2'"),
        ("memory='lots'", "amount of memory"),
        ("memory=-1", "memory is -1"),
    ):
        with pytest.raises(CellError, match=words):
            await ada.run(f"cluster.scale({wrong})")


async def test_plans_and_representations_as_of_other_clusters(ada, cluster):
    await ada.run("cluster.scale(1); cluster.wait_for_workers(1, timeout=100)")
    assert (
        await ada.run("[len(names) for names in (cluster.plan, cluster.requested, cluster.observed, cluster.workers)]")
        == [1] * 4
    )
    assert await ada.run("cluster.scale(3); len(cluster.plan)") == 3
    assert await ada.run("repr(cluster.adapt(0, 1))") == "Adaptivity(minimum=0, maximum=1)"
    assert await ada.run("len(cluster.plan) == len(cluster.observed)")
    await ada.run("cluster.scale(1)")
    with pytest.raises(CellError, match=f"from_name.'{cluster}'") as caught:
        await ada.run("import pickle; pickle.dumps(cluster)")
    assert caught.value.kind == "TypeError"


async def test_arguments_of_other_classes_are_translated_or_named(dask, ada):
    written = "namespace='x', env=[{'name': 'COLOUR', 'value': 'blue'}], threads_per_worker=2, memory_limit='1GiB'"
    name = await ada.run(f"other = SpawnpennyCluster({written}); other.name")
    assert [warning.partition(": ")[2] for warning in ada.warnings] == ["Not used, as the site decides it: namespace."]
    (report,) = [
        cluster
        for cluster in (await dask.ask("GET", "/v1/users/ada/dask"))[1]["clusters"]
        if cluster["cluster"] == name
    ]
    assert (report["options"]["worker_cores"], report["options"]["worker_memory"]) == (2, 1)
    colour = 'other.scale(1); other.get_client(False).submit(lambda: __import__("os").environ["COLOUR"]).result()'
    assert await ada.run(colour) == "blue"
    await ada.run("other.close()")


async def test_a_cluster_with_a_name_of_ones_own_is_made_once_and_found_again(dask, ada):
    first = await ada.run(
        "mine = SpawnpennyCluster(name='my-own', worker_cores=1); [mine.name, mine.shutdown_on_close]"
    )
    assert first == ["my-own", True]
    again = "also = SpawnpennyCluster(name='my-own', {}); [also.name, also.shutdown_on_close, also == mine]"
    assert await ada.run(again.format("worker_cores=1")) == ["my-own", False, True]
    assert ada.warnings == []
    await ada.run("also.close()")
    assert await ada.run(again.format("worker_cores=2")) == ["my-own", False, True]
    (warning,) = ada.warnings
    assert "with worker_cores=1" in warning
    await ada.run("also.close()")
    with pytest.raises(CellError, match="already, and create_mode is CREATE_ONLY"):
        await ada.run("SpawnpennyCluster(name='my-own', create_mode='CREATE_ONLY')")
    assert "my-own" in await ada.run("[report.name for report in SpawnpennyCluster.list()]")
    through = (
        "other = SpawnpennyCluster.from_name('my-own', proxy=True); other.get_client(False).submit(abs, -1).result()"
    )
    await ada.run("mine.scale(1)")
    assert await ada.run(through) == 1
    assert await ada.run("other.close(); mine.close(); mine = SpawnpennyCluster(name='my-own'); mine.shutdown_on_close")
    await ada.run("mine.close()")
    with pytest.raises(CellError, match="my-own"):
        await ada.run("SpawnpennyCluster(name='my-own', create_mode='CONNECT_ONLY')")


async def test_the_gateway_client_finds_a_cluster_by_the_name_that_its_user_gave_it(ada):
    assert (
        await ada.run("""
        from dask_gateway import Gateway
        named = SpawnpennyCluster(name='shared', n_workers=1)
        with Gateway().connect('shared') as other:
            found = other.get_client(set_as_default=False).submit(pow, 2, 4).result()
        named.close()
        found
    """)
        == 16
    )


async def test_a_cluster_that_was_closed_here_says_so_and_how_to_go_on(ada):
    await ada.run("closed = SpawnpennyCluster(); closed.shutdown()")
    for cell in ("closed.scale(1)", "closed.adapt(0, 1)", "closed.get_client()", "closed.new_dashboard_link()"):
        with pytest.raises(CellError, match=r"is closed here.*from_name") as caught:
            await ada.run(cell)
        assert caught.value.kind == "ClusterError"
    assert await ada.run("list(closed.get_logs())") == ["Cluster"]
    with pytest.raises(CellError, match="pass the name"):
        await ada.run("SpawnpennyCluster(create_mode='CONNECT_ONLY')")


async def test_what_nobody_awaits_is_done_before_a_cluster_is_closed(dask, ada):
    log = ada.log
    name = await ada.run("""
        import asyncio, gc

        async def main():
            other = await SpawnpennyCluster(asynchronous=True, shutdown_on_close=False, quiet=True)
            other.adapt(minimum=0, maximum=2)
            await other.close()
            return other.name

        name = asyncio.run(main())
        gc.collect()
        name
    """)
    assert (await dask.ask("GET", f"/v1/users/ada/dask/{name}"))[1]["scale"]["maximum"] == 2
    assert ada.log == log
    await dask.ask("DELETE", f"/gateway/api/v1/clusters/{name}")
