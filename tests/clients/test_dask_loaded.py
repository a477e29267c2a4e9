"""What a notebook loads of spawnpenny, and of the libraries of the server, when it has used a Dask cluster."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]


async def test_a_notebook_loads_nothing_of_the_server(ada, cluster, loaded):
    assert cluster
    assert await ada.run("client.submit(int, '7').result()") == 7
    loaded.check("dask", await ada.run("import sys; sorted(sys.modules)"))
