"""The pytest plugin: a real API server, a client of it, and a node for its pods.

pytest loads it wherever spawnpenny is installed, so what the fixtures need is imported when they are used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pytest_asyncio import fixture as async_fixture

    from spawnpenny.cluster.kubernetes import KubernetesCluster
    from spawnpenny.testing.apiserver import ApiServer
    from spawnpenny.testing.hollow_node import HollowNode

else:
    try:
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # then nobody can use the two fixtures that are async, and the rest goes on
        async_fixture = pytest.fixture


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """Run a control plane for the whole session; skip where ``KUBEBUILDER_ASSETS`` names none."""
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        pytest.skip("KUBEBUILDER_ASSETS is not set: there is no etcd and kube-apiserver to test against")
    from spawnpenny.testing.apiserver import ApiServer  # noqa: PLC0415 - see above

    with ApiServer() as server:
        yield server


@async_fixture
async def kubernetes_cluster(apiserver: ApiServer) -> AsyncIterator[KubernetesCluster]:
    """Connect to the API server with all rights."""
    from spawnpenny.cluster.kubernetes import KubernetesCluster  # noqa: PLC0415 - see above

    async with await KubernetesCluster.connect(str(apiserver.kubeconfig)) as cluster:
        yield cluster


@async_fixture
async def hollow_node(apiserver: ApiServer) -> AsyncIterator[HollowNode]:
    """Have a node for the API server's pods."""
    from spawnpenny.testing.hollow_node import HollowNode  # noqa: PLC0415 - see above

    async with HollowNode(apiserver.url, apiserver.ssl_context()) as node:
        yield node
