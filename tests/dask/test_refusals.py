"""What is refused, and how a user of the unmodified client reads it; and that nobody reaches another user's cluster."""

from __future__ import annotations

import aiohttp
import pytest
import pytest_asyncio

from spawnpenny.testing.notebook import CellError

from .conftest import BARE, GONE

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def until_undone(dask):
    """Wait until what has failed is undone: until then it takes from the quota."""

    async def over():
        found = (await dask.ask("GET", "/v1/users/ada/dask"))[1]["clusters"]
        return all(cluster["phase"] == "failed" for cluster in found) and not await dask.site.objects("Pod", "Secret")

    await dask.until(over, "nothing left of what has failed")


async def test_an_image_that_cannot_be_pulled_is_reported_by_the_exception(dask, ada):
    with pytest.raises(CellError, match=f"image {GONE} cannot be pulled"):
        await ada.run(f"gateway.new_cluster(image={GONE!r})")
    await until_undone(dask)


async def test_an_image_without_distributed_is_reported_by_the_exception(dask, ada):
    with pytest.raises(CellError, match="No module named 'distributed'"):
        await ada.run(f"gateway.new_cluster(image={BARE!r})")
    await until_undone(dask)


async def test_a_cluster_that_does_not_fit_the_quota_is_refused_with_the_numbers(ada):
    with pytest.raises(CellError, match=r"asked 20, in use 0, limit 8"):
        await ada.run("gateway.new_cluster(scheduler_cores=20)")


async def test_a_cluster_whose_workers_could_never_fit_is_refused_with_the_numbers(dask, ada):
    before = (await dask.ask("GET", "/v1/users/ada/dask"))[1]["clusters"]
    with pytest.raises(CellError, match=r"asked 9, in use 0, limit 8.*Choose something smaller"):
        await ada.run("gateway.new_cluster(worker_memory=1, scheduler_cores=5, worker_cores=4)")
    assert (await dask.ask("GET", "/v1/users/ada/dask"))[1]["clusters"] == before


async def test_a_scale_over_the_quota_is_cut_and_warned_of_with_the_numbers(dask, ada, cluster):
    await ada.run("cluster.scale(50)")
    (warning,) = [text for text in ada.warnings if text.startswith("GatewayWarning")]
    assert "cpu left in the quota: asked 51, in use 0, limit 8" in warning
    assert "Scaling to 7 instead." in warning
    count = (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["scale"]["count"]
    assert count == 7
    await ada.run("cluster.scale(0)")
    assert ada.warnings == []


async def test_another_users_cluster_is_not_there_by_name(dask, bob, cluster):
    for cell in (
        f"gateway.connect({cluster!r})",
        f"gateway.get_cluster({cluster!r})",
        f"gateway.scale_cluster({cluster!r}, 3)",
    ):
        with pytest.raises(CellError, match=f"{cluster} not found: bob has no"):
            await bob.run(cell)
    await bob.run(f"gateway.stop_cluster({cluster!r})")
    assert await bob.run("[report.name for report in gateway.list_clusters()]") == [await bob.run("own.name")]
    status, answer = await dask.ask("GET", f"/v1/users/ada/dask/{cluster}", user="bob")
    assert (status, answer["code"]) == (403, "forbidden")
    assert (await dask.ask("GET", f"/v1/users/ada/dask/{cluster}"))[1]["phase"] == "running"


KNOCK = """
    import pathlib, socket, ssl

    def knock(name, certificate):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # who answers is not the question
        if certificate:
            context.load_cert_chain(certificate)
        with socket.create_connection(("{host}", {port}), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="daskgateway-" + name) as tls:
                return len(tls.recv(1))

    mine = pathlib.Path("mine.pem")
    mine.write_text(own.security.tls_key + own.security.tls_cert)
    knock(own.name, mine)
"""


async def test_another_users_cluster_lets_nobody_in_by_sni(dask, bob, cluster):
    assert await bob.run(KNOCK.replace("{host}", "127.0.0.1").replace("{port}", str(dask.proxy.port))) == 1
    with pytest.raises(CellError, match="UNKNOWN_CA"):
        await bob.run(f"knock({cluster!r}, mine)")
    with pytest.raises(CellError, match="CERTIFICATE_REQUIRED"):
        await bob.run(f"knock({cluster!r}, None)")
    with pytest.raises(CellError, match=r"EOF|reset"):
        await bob.run("knock('c' + 20 * '0', mine)")


async def test_a_ticket_opens_one_dashboard_once(dask, ada, bob, cluster):
    link, own = await ada.run("cluster.dashboard_link"), await bob.run("own.name")
    elsewhere = link.replace(cluster, own)
    async with aiohttp.ClientSession() as browser:
        for url, status in ((elsewhere, 403), (link, 200), (link, 403), (elsewhere, 403)):
            async with browser.post(url) as answer:
                assert answer.status == status, url
