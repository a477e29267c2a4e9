"""The oldest distributed that is supported, the newest, and both at once."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

USE = """
    from dask_gateway import Gateway
    cluster = Gateway().new_cluster()
    cluster.scale(2)
    client = cluster.get_client()
    client.wait_for_workers(2, timeout=30)
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


async def test_versions_that_do_not_match_are_told_before_work_starts(dask, oldest, ada):
    await ada.run("""
        cluster = gateway.new_cluster(image='spawnpenny/old')
        client = cluster.get_client()
    """)
    (warning,) = [each for each in ada.warnings if "ersion" in each]
    assert "2024.1.0" in warning
    assert "distributed" in warning
    await ada.run("cluster.shutdown()")
