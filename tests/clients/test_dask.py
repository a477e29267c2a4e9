"""SpawnpennyCluster in processes of its own, at a whole site: service, TLS proxy, schedulers and workers are real."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from spawnpenny.testing.notebook import CellError

from .conftest import HERE, IMPORT, Proxy, clusters, notebook

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = Path(__file__).parents[2] / "docs/reference/dask-native.md"
USE = """
    import distributed
    with SpawnpennyCluster(**options) as cluster:
        cluster.scale(2)
        client = cluster.get_client()
        cluster.wait_for_workers(2, timeout=100)
        versions = [distributed.__version__, client.submit(lambda: __import__("distributed").__version__).result()]
        logs = sorted(cluster.get_logs())[:2]
        client.close()
"""
GONE = "registry.example/dask:2019"


async def test_the_cells_of_its_page_run_in_their_order(dask):
    first, *further = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    async with notebook(dask) as other:
        assert await other.run(first) == 4950
        for cell in further:
            found = await other.run(cell)
        assert found == await other.run("[cluster.name]")
        assert other.warnings == []


async def test_it_computes_scales_and_gives_its_logs(dask, ada, cluster):
    await ada.run("import numpy as np")
    assert await ada.run("float(client.submit(np.sum, client.scatter(np.ones(100_000))).result())") == 100_000
    await ada.run("cluster.scale(2); cluster.wait_for_workers(2, timeout=100)")
    assert ada.warnings == []
    assert len(await dask.workers(cluster)) == 2
    logs = await ada.run("cluster.get_logs()")
    assert "dask.scheduler: done" in logs.pop("Cluster")
    assert "Receive client connection" in logs.pop("Scheduler")
    assert [log[:6] for log in logs] == ["tls://", "tls://"]
    assert (await ada.run("repr(cluster)")).startswith(f"SpawnpennyCluster({cluster}, 'tls://")
    await ada.run("cluster.scale(1)")


async def test_the_buttons_of_its_widget_adapt_and_scale_it(dask, ada, cluster):
    await ada.run("""
        manual, adaptive = cluster._widget().children[1].children[1].children
        adaptive.children[0].value, adaptive.children[1].value = 1, 2
        adaptive.children[2].click()
    """)
    answer = (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"]
    assert (answer["minimum"], answer["maximum"], answer["adaptive"]) == (1, 2, True)
    assert "Scaling mode: Adaptive" in await ada.run("cluster._scaling_status()")
    await ada.run(f"with SpawnpennyCluster.from_name({cluster!r}) as other: mode = other._scaling_status()")
    assert "Scaling mode: Adaptive" in await ada.run("mode")
    await ada.run("manual.children[0].value = 1; manual.children[1].click()")
    answer = (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"]
    assert (answer["count"], answer["adaptive"]) == (1, False)
    assert "Scaling mode: Manual" in await ada.run("cluster._scaling_status()")


async def test_it_goes_straight_to_the_scheduler_or_through_the_proxy(dask, ada, cluster):
    pod = (await dask.scheduler(cluster))["status"]["podIP"]
    assert await ada.run("cluster.scheduler_address") == f"tls://{pod}:8786"
    through = await ada.run(f"""
        from distributed import Client
        other = SpawnpennyCluster.from_name({cluster!r}, proxy=True)
        with other, Client(other, set_as_default=False) as further:
            found = other.scheduler_address, further.submit(pow, 2, 5).result()
        found
    """)
    assert through == [f"tls://127.0.0.1:{dask.proxy.port}", 32]
    with pytest.raises(CellError, match=r"cannot be reached at tls://127\.0\.0\.1:9"):
        await ada.run(f"""
            import dask
            with dask.config.set({{"distributed.comm.timeouts.connect": "1s"}}):
                SpawnpennyCluster.from_name({cluster!r}, proxy="127.0.0.1:9")
        """)
    # None of them was the one that made it.
    assert await ada.run("[each.name for each in SpawnpennyCluster.list()]") == [cluster]


async def test_its_dashboard_is_led_to_by_a_link_of_its_own(dask, ada, cluster):
    first, second = await ada.run("[cluster.dashboard_link, cluster.new_dashboard_link()]")
    assert first != second == await ada.run("cluster.dashboard_link")
    for link in (first, second):
        assert link.startswith(f"{dask.dashboards}/clusters/{cluster}/")
        async with aiohttp.ClientSession() as browser, browser.get(link) as page:
            assert page.status == 200


async def test_a_link_that_is_read_later_has_another_ticket(dask, ada, cluster):
    first, again = await ada.run("[cluster.dashboard_link, cluster.dashboard_link]")
    assert first == again
    later, html = await ada.run("cluster._ticketed_at -= 61; [cluster.dashboard_link, cluster._repr_html_()]")
    assert later not in {first, ""}
    assert later in html
    # In an event loop nobody is held up: whoever asks next has it.
    before, after = await ada.run("""
        import asyncio

        async def read():
            cluster._ticketed_at -= 61
            found = [cluster.dashboard_link]
            await cluster._renewing
            return [*found, cluster.dashboard_link]

        cluster.sync(read)
    """)
    assert (before, after != before) == (later, True)


async def test_a_link_leads_through_the_lab_where_the_site_says_so_or_browsers_reach_no_dashboards(dask, ada, cluster):
    set_, unknown, lab, none = await ada.run("""
        import dask, os
        os.environ["JUPYTERHUB_SERVICE_PREFIX"] = "/user/ada/"
        found = []
        for template in ("{JUPYTERHUB_SERVICE_PREFIX}proxy/{host}:{port}/status", "{NO_SUCH_VARIABLE}{host}"):
            with dask.config.set({"distributed.dashboard.link": template}):
                found.append(cluster.dashboard_link)
        kept, cluster._ticketed = cluster._ticketed, ""
        found.append(cluster.dashboard_link)
        del os.environ["JUPYTERHUB_SERVICE_PREFIX"]
        found.append(cluster.dashboard_link)
        cluster._ticketed = kept
        found
    """)
    host = await ada.run("cluster.scheduler_address.partition('//')[2].partition(':')[0]")
    assert set_ == f"/user/ada/proxy/{host}:8787/status"
    assert unknown.startswith(f"{dask.dashboards}/clusters/{cluster}/")
    assert (lab, none) == (set_ if find_spec("jupyter_server_proxy") else "", "")


async def test_in_an_event_loop_it_is_awaited(dask, ada):
    assert await ada.run("""
        import asyncio
        from distributed import Client

        async def main():
            async with SpawnpennyCluster(asynchronous=True, n_workers=1) as cluster:
                adaptivity = await cluster.adapt(minimum=1, maximum=2)
                async with Client(cluster, asynchronous=True, set_as_default=False) as client:
                    result = await client.submit(sum, [1, 2])
                await cluster.scale(0)
                return [result, adaptivity.maximum, cluster.name]

        result = asyncio.run(main())
        result[:2]
    """) == [3, 2]
    assert await ada.run("result[2]") not in await clusters(dask)


async def test_a_scale_that_does_not_fit_is_cut_and_the_numbers_are_warned_of(dask, ada, cluster):
    await ada.run("cluster.scale(50)")
    (warning,) = ada.warnings
    assert warning.startswith("ClusterWarning: ")
    assert "limit 8" in warning
    await ada.run("cluster.scale(1)")
    assert ada.warnings == []


async def test_what_is_refused_is_raised_in_the_services_words_and_leaves_nothing(dask, ada, cluster):
    for cell, said in (
        ("SpawnpennyCluster(worker_cors=2)", "worker_cors"),
        ("SpawnpennyCluster(worker_cores='two')", r"worker_cores.*number"),
        (f"SpawnpennyCluster(image={GONE!r})", f"image {GONE} cannot be pulled"),
        ("SpawnpennyCluster.from_name('cnone')", "cnone"),
        ("SpawnpennyCluster(name='No_Name')", "lower-case letters"),
        ("SpawnpennyCluster(token='wrong')", "."),
    ):
        with pytest.raises(CellError, match=said) as caught:
            await ada.run(cell)
        assert caught.value.kind == "ClusterError"
    assert await clusters(dask) == [cluster]


async def test_one_that_was_refused_is_collected_without_harm(ada, cluster):
    """dask-gateway's client waits for itself for ever, when it is collected in the thread of its event loop."""
    assert await ada.run("""
        import gc, threading
        try:
            SpawnpennyCluster(worker_cors=2)
        except Exception as error:
            told = type(error).__name__
        collected = threading.Event()
        cluster.loop.add_callback(lambda: (gc.collect(), collected.set()))
        [told, collected.wait(100), client.submit(abs, -1).result()]
    """) == ["ClusterError", True, 1]


async def test_a_start_that_takes_too_long_is_given_up_and_what_happens_is_shown(dask, ada):
    before, log = await clusters(dask), ada.log
    with pytest.raises(CellError, match="did not start within 5 seconds") as caught:
        await ada.run("SpawnpennyCluster(image='spawnpenny/slow', environment={'SECONDS_OF_WAIT': '40'}, timeout='5s')")
    assert caught.value.kind == "TimeoutError"
    assert await clusters(dask) == before
    assert ada.log.removeprefix(log) == "Waiting for the scheduler to answer.\n"


async def test_a_service_that_restarts_meanwhile_does_not_end_a_start(dask, ada):
    before = await clusters(dask)
    starting = asyncio.create_task(ada.run("late = SpawnpennyCluster(image='spawnpenny/slow'); late.name"))

    async def started():
        return set(await clusters(dask)) - set(before)

    (name,) = await dask.until(started, "a further cluster")
    await dask.service.kill()
    await dask.service.start()
    assert await starting == name
    await ada.run("late.close()")
    assert await clusters(dask) == before


async def test_an_answer_that_is_lost_does_not_make_two_clusters(dask):
    proxy = Proxy()
    proxy.behind, proxy.cut_after, proxy.cuts = int(dask.service.url.rpartition(":")[2]), b"HTTP/1.1 201", 1
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    before = await clusters(dask)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with notebook(dask, env={"SPAWNPENNY_URL": url}) as other:
        name = await other.run("cluster = SpawnpennyCluster(); cluster.name")
        assert proxy.cuts == 0
        assert await clusters(dask) == sorted([*before, name])
        await other.run("cluster.close()")
    server.close()
    await asyncio.gather(*proxy.tasks, return_exceptions=True)


async def test_a_process_that_ends_ends_its_own_clusters_alone_and_quietly(dask, cluster):
    async with notebook(dask) as other:
        await other.run(f"connected = SpawnpennyCluster(name={cluster!r}, quiet=True)")
        name = await other.run(
            "own = SpawnpennyCluster(n_workers=1, quiet=True); own.get_client().submit(abs, 1).result(); own.name"
        )
        stays = await other.run("kept = SpawnpennyCluster(quiet=True); kept.shutdown_on_close = False; kept.name")
        assert {cluster, name, stays} <= set(await clusters(dask))
    assert other.log == ""
    left = await clusters(dask)
    assert name not in left
    assert {cluster, stays} <= set(left)
    await dask.ask("DELETE", f"/gateway/api/v1/clusters/{stays}")


async def test_an_interrupted_start_ends_what_it_had_begun(dask):
    before = await clusters(dask)
    program = f"{IMPORT}\nSpawnpennyCluster(image='spawnpenny/slow')"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        env={**os.environ, **dask.env("ada"), "PYTHONPATH": HERE},
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )

    async def started():
        return set(await clusters(dask)) - set(before)

    await dask.until(started, "a further cluster")
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert errors.decode().rstrip().endswith("KeyboardInterrupt")
    assert await clusters(dask) == before


async def test_the_oldest_distributed_on_both_sides(dask, oldest):
    async with notebook(dask, python=oldest) as old:
        await old.run("options = {'image': 'spawnpenny/old'}")
        await old.run(USE)
        assert old.warnings == []
        assert await old.run("[versions, logs]") == [["2024.1.0", "2024.1.0"], ["Cluster", "Scheduler"]]


async def test_versions_that_do_not_match_are_reported_before_work_starts(dask, ada, oldest):
    await ada.run("with SpawnpennyCluster(image='spawnpenny/old') as other: pass")
    (warning,) = ada.warnings
    assert warning.startswith("ClusterWarning: ")
    assert "there" in warning.partition("distributed is ")[2].partition(",")[0]
    assert "2024.1.0" in warning
