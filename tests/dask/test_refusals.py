"""What is refused, and how a user of the unmodified client reads it; and that nobody reaches another user's cluster."""

from __future__ import annotations

import aiohttp
import pytest
import pytest_asyncio

from spawnpenny.testing.notebook import CellError

from .conftest import GONE

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(ada):
    """Have a running cluster of ada's, in her notebook as ``cluster``."""
    yield await ada.run("cluster = gateway.new_cluster(); cluster.name")
    await ada.run("cluster.shutdown()")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bob(dask):
    """Have a notebook of bob's, with a cluster of his own."""
    async with dask.notebook("bob") as notebook:
        await notebook.run("""
            from dask_gateway import Gateway
            gateway = Gateway()
            own = gateway.new_cluster()
        """)
        yield notebook
        await notebook.run("own.shutdown()")


async def test_an_image_that_cannot_be_pulled_is_told_by_the_exception(ada):
    with pytest.raises(CellError, match=f"image {GONE} cannot be pulled"):
        await ada.run(f"gateway.new_cluster(image={GONE!r})")


async def test_a_cluster_that_does_not_fit_the_quota_is_refused_with_the_numbers(ada):
    with pytest.raises(CellError, match=r"asked .*limit 8"):
        await ada.run("gateway.new_cluster(scheduler_cores=20)")


async def test_a_scale_over_the_quota_is_cut_and_warned_of_with_the_numbers(dask, ada, cluster):
    await ada.run("cluster.scale(50)")
    (warning,) = [each for each in ada.warnings if each.startswith("GatewayWarning")]
    assert "asked 50" in warning
    assert "limit 8" in warning
    count = (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"]["count"]
    assert 0 < count < 8
    await ada.run("cluster.scale(0)")
    assert ada.warnings == []


async def test_another_users_cluster_is_not_there_by_name(dask, bob, cluster):
    for cell in (
        f"gateway.connect({cluster!r})",
        f"gateway.get_cluster({cluster!r})",
        f"gateway.scale_cluster({cluster!r}, 3)",
    ):
        with pytest.raises(CellError, match=f"no .*{cluster}"):
            await bob.run(cell)
    await bob.run(f"gateway.stop_cluster({cluster!r})")
    assert await bob.run("[report.name for report in gateway.list_clusters()]") == [await bob.run("own.name")]
    status, told = await dask.ask("GET", f"/v1/users/ada/dask/{cluster}", user="bob")
    assert (status, told["code"]) == (403, "forbidden")
    assert (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["phase"] == "running"


async def test_another_users_cluster_lets_nobody_in_by_sni(dask, bob, cluster):
    with pytest.raises(CellError, match=r"(?i)tls|certificate|closed|timed out"):
        await bob.run(f"""
            import asyncio
            from distributed.core import connect
            from dask_gateway.client import GatewaySecurity
            async def knock(name):
                comm = await connect("gateway://{dask.proxy_address.removeprefix("gateway://")}/" + name, timeout=5,
                    **own.security.get_connection_args("client"))
                await comm.write({{"op": "identity", "reply": True}})
                return (await comm.read())["type"]
            assert asyncio.run(knock(own.name)) == "Scheduler"
            asyncio.run(knock({cluster!r}))
        """)


async def test_a_ticket_opens_one_dashboard_once(dask, ada, bob, cluster):
    link, own = await ada.run("cluster.dashboard_link"), await bob.run("own.name")
    ticket = link.removeprefix(f"{dask.dashboards}/clusters/{cluster}/").removesuffix("/status")
    async with aiohttp.ClientSession() as browser:
        async with browser.post(f"{dask.dashboards}/clusters/{own}/{ticket}/status") as answer:
            assert answer.status in (403, 404)
        async with browser.post(await ada.run("gateway.get_cluster(cluster.name).dashboard_link")) as answer:
            assert answer.status == 200
        async with browser.post(link) as answer:
            again = answer.status
        async with browser.post(link) as answer:
            assert answer.status in (403, 404)
    assert again in (200, 403, 404)  # a wrong cluster may have used it up
