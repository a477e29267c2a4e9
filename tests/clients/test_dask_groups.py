"""Worker groups of a site in SpawnpennyCluster, with real workers."""

from __future__ import annotations

import pytest
import pytest_asyncio

from spawnpenny.testing.dask import dask_site
from spawnpenny.testing.notebook import CellError

pytestmark = pytest.mark.asyncio(loop_scope="module")
GROUPS = {"spot": {"cores": 2, "memory": "1Gi", "max": 3, "label": "Spot"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dask(tmp_path_factory):
    plugins = {"dask": {"worker_groups": GROUPS}}
    async with dask_site(tmp_path_factory.mktemp("dask"), plugins=plugins) as site:
        yield site


async def groups(ada):
    """Return how many workers each group is to have."""
    return await ada.run("{name: group.desired for name, group in cluster.worker_groups().items()}")


async def test_a_group_is_scaled_beside_the_default_one_and_work_goes_to_it(ada, cluster):
    assert await groups(ada) == {"default": 1, "spot": 0}
    await ada.run("cluster.scale(1, worker_group='spot'); cluster.wait_for_workers(2, timeout=100)")
    assert ada.warnings == []
    assert await groups(ada) == {"default": 1, "spot": 1}
    spot = await ada.run("spot = cluster.worker_groups()['spot']; [spot.cores, spot.memory, spot.maximum, spot.label]")
    assert spot == [2, 2**30, 3, "Spot"]
    threads = "lambda: __import__('distributed').get_worker().state.nthreads"
    assert await ada.run(f"client.submit({threads}, resources={{'spot': 1}}).result()") == 2
    assert await ada.run("len(cluster.plan)") == 2
    await ada.run("cluster.delete_worker_group('spot')")
    assert await groups(ada) == {"default": 1, "spot": 0}


async def test_groups_are_scaled_as_for_kubecluster(ada, cluster):
    await ada.run("cluster.add_worker_group(name='spot', n_workers=1, image='x', resources={'limits': {'cpu': 1}})")
    (warning,) = ada.warnings
    assert "image, resources" in warning
    assert await groups(ada) == {"default": 1, "spot": 1}
    for cell, count in (
        ("cluster.add_worker_group('spot', n=2)", 2),
        ("cluster.scale(1, 'spot')", 1),
        ("cluster.scale(cores=3, worker_group='spot')", 2),
        ("cluster.scale(worker_group='spot', n=0)", 0),
        ("cluster.scale(1, worker_group='default')", 0),
    ):
        await ada.run(cell)
        assert await groups(ada) == {"default": 1, "spot": count}
    for wrong in (
        "cluster.scale(1, worker_group='gpu')",
        "cluster.add_worker_group('gpu')",
        "cluster.scale(cores=2, worker_group='gpu')",
    ):
        with pytest.raises(CellError, match=r"gpu.*default, spot"):
            await ada.run(wrong)


async def test_what_does_not_fit_a_group_is_cut_with_a_warning(ada, cluster):
    await ada.run("cluster.scale(50, worker_group='spot')")
    (warning,) = ada.warnings
    assert warning.startswith("ClusterWarning: ")
    assert (await groups(ada))["spot"] <= 3
    await ada.run("cluster.delete_worker_group('spot')")
