"""A site with Dask for each module: real schedulers and workers, the unmodified client, the proxy as a process."""

from __future__ import annotations

import os

import pytest
import pytest_asyncio

from spawnpenny.testing.dask import dask_site

GONE = "registry.example/dask:2019"
BARE = "spawnpenny/bare"
"""A Python without distributed."""
HELD = "spawnpenny/held"
"""A worker that begins once there is a ticket for it, a folder that it takes away."""
WAIT = 'until rmdir "$(ls -d "$0"/* | head -n 1)" 2> /dev/null; do sleep 0.1; done; exec "$@"'
OPTIONS = {
    "worker_cores": {"type": "int", "min": 1, "max": 4},
    "worker_memory": {"type": "float", "min": 0.5, "max": 8},
    "scheduler_cores": {"type": "float", "max": 100},
    "image": {"type": "string"},
    "held": {"type": "bool", "overrides": {"worker_extra_container_config": {"image": HELD}}},
    "environment": {"type": "mapping"},
}


@pytest.fixture(scope="module")
def oldest():
    """Have the Python of the oldest distributed that is supported."""
    python = os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not python:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 does not say where the Python with the oldest distributed is")
    return python


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    """Have the folder of what lets held workers begin: each folder in it one of them."""
    return tmp_path_factory.mktemp("tickets")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dask(request, tmp_path_factory, tickets):
    """Run a site; a module's ``DASK`` are further settings of the plugin."""
    lab = ["-P", "{lab}", "{pod_ip}"]
    images = {
        "spawnpenny/old": [os.environ.get("SPAWNPENNY_JUPYTERHUB5", "/no/such/python"), *lab],
        BARE: ["sh", "-c", 'exec {python} -S "$@"'],
        HELD: ["sh", "-c", WAIT, str(tickets), "{python}", *lab],
    }
    plugin = {"options": OPTIONS, "worker": {"memory": "1Gi"}, **getattr(request.module, "DASK", {})}
    async with dask_site(tmp_path_factory.mktemp("dask"), images=images, plugins={"dask": plugin}) as site:
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
