"""Brokers, asked in each way."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.local import run_local_broker


@pytest.fixture
def separated(site):
    """Have a site whose broker is a process of its own, which a test has to run."""
    site.separate = True
    site.data["broker"] = {"lease": 2}
    return site


@pytest.fixture(params=["in the process", "by claims"])
async def opened(request, site):
    """Open a broker of a site, as its settings are by then, in place of an earlier one; each way of asking in turn."""
    async with AsyncExitStack() as stack:

        async def open_broker():
            await stack.aclose()
            if request.param == "in the process":
                return await stack.enter_async_context(run_local_broker(site.cluster, site.settings))
            await stack.enter_async_context(site.broker())
            return await stack.enter_async_context(run_broker_client(site.cluster, site.settings))

        yield open_broker
