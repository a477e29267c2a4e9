"""A site with Dask for each module: real schedulers and workers, the unmodified client, the proxy as a process."""

from __future__ import annotations

import os

import pytest
import pytest_asyncio

from spawnpenny.testing.dask import dask_site

GONE = "registry.example/dask:2019"
IMAGES = ["spawnpenny/lab", "spawnpenny/old", GONE]


@pytest.fixture(scope="module")
def oldest():
    """Have the Python of the oldest distributed that is supported."""
    python = os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not python:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 does not say where the Python with the oldest distributed is")
    return python


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dask(tmp_path_factory):
    old = os.environ.get("SPAWNPENNY_JUPYTERHUB5", "/no/such/python")
    images = {"spawnpenny/old": [old, "-P", "{lab}", "{pod_ip}"]}
    async with dask_site(tmp_path_factory.mktemp("dask"), images=images) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(dask):
    """Have a notebook of ada's, outside of any lab, with the client imported."""
    async with dask.notebook("ada") as notebook:
        await notebook.run("""
            import numpy as np
            from dask_gateway import Gateway
            gateway = Gateway()
        """)
        yield notebook
