"""What a site sets for the programs of schedulers and workers, on real ones."""

from __future__ import annotations

import pytest

from spawnpenny.testing.dask import dask_site

CLASS = "from distributed import Worker\nclass CudaLike(Worker):\n    flavour = 'cuda-like'\n"
FLAVOUR = "sorted(client.run(lambda dask_worker: getattr(dask_worker, 'flavour', 'plain')).values())"
OWN = ["python", "-m", "distributed.cli.dask_worker"]
START = """
from dask_gateway import Gateway
gateway = Gateway()
cluster = gateway.new_cluster()
cluster.scale({count})
client = cluster.get_client()
client.wait_for_workers({count}, timeout=100)
"""


@pytest.fixture
def module(tmp_path):
    """Have a module ``myworker`` with a worker class, and the environment that leads to it."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "myworker.py").write_text(CLASS)
    return [{"name": "PYTHONPATH", "value": str(tmp_path / "lib")}]


@pytest.mark.parametrize(
    "worker",
    [
        {"worker_class": "myworker.CudaLike"},
        {"worker_class": "myworker.CudaLike", "nanny": False},
        {"program": [*OWN, "--worker-class", "myworker.CudaLike"], "args": ["--lifetime", "1 hour"]},
    ],
)
async def test_a_worker_is_of_the_class_that_the_site_says(tmp_path, module, worker):
    worker = {"memory": "1Gi", "extra_container_config": {"env": module}, **worker}
    async with dask_site(tmp_path, plugins={"dask": {"worker": worker}}) as dask, dask.notebook("ada") as ada:
        await ada.run(START.format(count=1))
        assert await ada.run(FLAVOUR) == ["cuda-like"]
        name = await ada.run("cluster.name")
        names = {pod["metadata"]["name"] for pod in await dask.workers(name)}
        assert set(await ada.run("[w['name'] for w in client.scheduler_info()['workers'].values()]")) == names


async def test_a_command_of_the_sites_own_finds_its_scheduler_and_is_looked_after(tmp_path, module):
    """Its workers have no name but their address: they are known, and retired, by it."""
    args = [
        *OWN,
        "--worker-class",
        "myworker.CudaLike",
        "--no-nanny",
        "--no-dashboard",
        "--host",
        "$(SPAWNPENNY_POD_IP)",
    ]
    worker = {"memory": "1Gi", "extra_container_config": {"args": args, "env": module}}
    async with dask_site(tmp_path, plugins={"dask": {"worker": worker}}) as dask, dask.notebook("ada") as ada:
        await ada.run(START.format(count=2))
        assert await ada.run(FLAVOUR) == ["cuda-like"] * 2
        name = await ada.run("cluster.name")
        await ada.run("kept = client.scatter(list(range(20)), broadcast=False)")
        await ada.run("cluster.scale(1)")

        async def one():
            return len(await dask.workers(name)) == 1

        await dask.until(one, "one worker")
        assert await ada.run("client.gather(kept)") == list(range(20))


async def test_further_arguments_of_both_are_appended(tmp_path):
    section = {
        "scheduler": {"args": ["--preload", "colorsys"]},
        "worker": {"memory": "1Gi", "args": ["--lifetime", "1 hour"], "resources": {"GPU": 2}},
    }
    async with dask_site(tmp_path, plugins={"dask": section}) as dask, dask.notebook("ada") as ada:
        await ada.run(START.format(count=1))
        assert await ada.run("list(client.run(lambda dask_worker: dask_worker.lifetime).values())") == [3600]
        assert await ada.run("client.run_on_scheduler(lambda: 'colorsys' in __import__('sys').modules)")
        assert await ada.run("client.submit(lambda: 1, resources={'GPU': 2}).result(timeout=100)") == 1
        found = await ada.run("client.submit(lambda: __import__('os').environ['DASK_SCHEDULER_ADDRESS']).result()")
        assert found == await ada.run("client.scheduler_info()['address']")
