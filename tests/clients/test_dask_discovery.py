"""SpawnpennyCluster as dask-ctl finds, scales and deletes clusters: by the entry point that pyproject.toml declares."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from .conftest import clusters, notebook

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
MODULE, _, FUNCTION = PROJECT["entry-points"]["dask_cluster_discovery"]["spawnpenny"].partition(":")
# As dask-ctl does it: an asynchronous generator of names and classes, and an object made within an event loop.
FIND = f"""
    import asyncio
    from {MODULE} import {FUNCTION} as discover

    async def found():
        return [pair async for pair in discover()]

    async def get(name):
        return [kind.from_name(each) async for each, kind in discover() if each == name][0]
"""


async def test_a_cluster_is_found_scaled_and_deleted(dask, ada, cluster):
    name = await ada.run("own = SpawnpennyCluster(name='found-by-ctl', shutdown_on_close=False); own.close(); own.name")
    await ada.run(FIND)
    assert await ada.run("[name for name, _ in asyncio.run(found())]") == [cluster, name]
    await ada.run(f"asyncio.run(get({name!r})).scale(2)")
    assert (await dask.ask("GET", f"/v1/users/ada/dask/{name}"))[1]["scale"]["count"] == 2
    listed = f"[repr(asyncio.run(get(name)).status) for name in ({cluster!r}, {name!r})]"
    assert await ada.run(listed) == ["<Status.running: 'running'>"] * 2
    await ada.run(f"with asyncio.run(get({name!r})) as looked_at: pass")
    assert len(await clusters(dask)) == 2
    assert await ada.run(f"asyncio.run(get({name!r})).get_snippet()") == (
        "from spawnpenny.clients.dask import SpawnpennyCluster\n\n"
        "cluster = SpawnpennyCluster.from_name('found-by-ctl')\nclient = cluster.get_client()\n"
    )
    await ada.run(f"asyncio.run(get({name!r})).close()")
    assert await clusters(dask) == [cluster]


async def test_objects_that_were_only_listed_end_nothing_at_exit(dask, cluster):
    async with notebook(dask) as other:
        await other.run(FIND)
        await other.run(f"listed = asyncio.run(get({cluster!r}))")
    assert await clusters(dask) == [cluster]


async def test_nothing_is_found_where_there_is_no_service(dask):
    async with notebook(dask, env={"SPAWNPENNY_URL": ""}) as other:
        await other.run(FIND)
        assert await other.run("asyncio.run(found())") == []
