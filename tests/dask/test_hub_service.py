"""The service as a service of a real JupyterHub, whose proxy keeps the path /services/dask-gateway."""

from __future__ import annotations

from spawnpenny.testing.dask import dask_site
from spawnpenny.testing.jupyterhub import JupyterHub

CONFIG = """
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.services.append({{"name": "dask-gateway", "url": {url!r}}})
"""
CELL = """
from dask_gateway import Gateway
gateway = Gateway()
with gateway.new_cluster() as cluster:
    cluster.scale(1)
    result = cluster.get_client().submit(pow, 2, 5).result()
result, [report.name for report in gateway.list_clusters() if report.name == cluster.name]
"""


async def test_clients_reach_it_by_the_hubs_proxy_as_they_reach_dask_gateway(tmp_path):
    async with dask_site(tmp_path) as dask:
        config = CONFIG.format(url=dask.service.url)
        async with JupyterHub(tmp_path / "hub", config) as hub:
            address = f"{hub.url}services/dask-gateway"
            for env in (
                {"DASK_GATEWAY__ADDRESS": address},
                {"DASK_GATEWAY__ADDRESS": f"{address}/gateway"},
            ):
                async with dask.notebook("ada", env=env) as notebook:
                    assert await notebook.run(CELL) == [32, []]
            async with dask.notebook("ada", env={"SPAWNPENNY_URL": address}) as notebook:
                await notebook.run("from spawnpenny.clients.dask import SpawnpennyCluster")
                assert await notebook.run("with SpawnpennyCluster() as cluster: name = cluster.name\nlen(name)") > 0
