"""The oldest distributed that is supported, the newest, and both at once."""

from __future__ import annotations

import re

import distributed
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

USE = """
    from dask_gateway import Gateway
    cluster = Gateway().new_cluster()
    cluster.scale(2)
    client = cluster.get_client()
    client.wait_for_workers(2, timeout=100)
    import distributed
    theirs = client.submit(lambda: __import__("distributed").__version__).result()
    cluster.scale(0)
    [distributed.__version__, theirs]
"""


async def test_the_oldest_distributed_on_both_sides(dask, oldest):
    async with dask.notebook("ada", python=oldest) as notebook:
        cell = USE.replace("new_cluster()", "new_cluster(image='spawnpenny/old')")
        assert await notebook.run(cell) == ["2024.1.0", "2024.1.0"]
        assert notebook.warnings == []


async def test_a_lab_that_is_newer_than_its_cluster_is_reported_before_work_starts(dask, oldest, ada):
    await ada.run("""
        cluster = gateway.new_cluster(image='spawnpenny/old')
        client = cluster.get_client()
    """)
    (warning,) = [text for text in ada.warnings if text.startswith("VersionMismatchWarning")]
    assert re.search(rf"distributed +\| {re.escape(distributed.__version__)} +\| 2024\.1\.0", warning)
    await ada.run("cluster.shutdown()")


async def test_a_lab_that_is_older_than_its_cluster_is_reported_too(dask, oldest):
    async with dask.notebook("bob", python=oldest) as notebook:
        await notebook.run("""
            from dask_gateway import Gateway
            cluster = Gateway().new_cluster()
            client = cluster.get_client()
        """)
        (warning,) = [text for text in notebook.warnings if text.startswith("VersionMismatchWarning")]
    assert re.search(rf"distributed +\| 2024\.1\.0 +\| {re.escape(distributed.__version__)}", warning)
