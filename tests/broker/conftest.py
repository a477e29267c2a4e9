"""Brokers in the process and as a process of their own."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.local import run_local_broker


@pytest.fixture
def separated(site):
    """Return a site with a separate broker, which a test has to run."""
    site.separate = True
    site.data["broker"] = {"lease": 2}
    return site


@pytest.fixture(params=["in the process", "by requests"])
async def opened(request, site):
    """Return a function that opens the site's broker with its present settings, in place of an earlier one."""
    async with AsyncExitStack() as stack:

        async def open_broker():
            await stack.aclose()
            if request.param == "in the process":
                return await stack.enter_async_context(run_local_broker(site.cluster, site.settings))
            await stack.enter_async_context(site.broker())
            return await stack.enter_async_context(run_broker_client(site.cluster, site.settings))

        yield open_broker
