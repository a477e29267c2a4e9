"""The pytest plugin: a real API server, a client of it, and a node for its pods.

pytest loads it wherever spawnpenny is installed, so what the fixtures need is imported when they are used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pytest_asyncio import fixture as async_fixture

    from spawnpenny.kubernetes.client import KubernetesCluster
    from spawnpenny.kubernetes.interface import Cluster
    from spawnpenny.testing.apiserver import ApiServer
    from spawnpenny.testing.hollow_node import HollowNode
    from spawnpenny.testing.hollow_scheduler import HollowSchedulers
    from spawnpenny.testing.site import Site
    from spawnpenny.testing.store_cluster import StoreCluster

else:
    try:
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # then nobody can use the two fixtures that are async, and the rest goes on
        async_fixture = pytest.fixture

_TOOLS: Final = ("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """Run a control plane for the whole session; skip where ``KUBEBUILDER_ASSETS`` names none."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("KUBEBUILDER_ASSETS is not set: there is no etcd and kube-apiserver to test against")
    missing = [tool for tool in _TOOLS if not (Path(assets) / tool).exists()]
    if missing:
        pytest.skip(f"KUBEBUILDER_ASSETS names a folder without {', '.join(missing)}: {assets}")
    from spawnpenny.testing.apiserver import ApiServer  # noqa: PLC0415 - see above

    with ApiServer() as server:
        yield server


@async_fixture
async def kubernetes_cluster(apiserver: ApiServer) -> AsyncIterator[KubernetesCluster]:
    """Connect to the API server with all rights."""
    from spawnpenny.kubernetes.client import KubernetesCluster  # noqa: PLC0415 - see above

    async with await KubernetesCluster.connect(str(apiserver.kubeconfig)) as cluster:
        yield cluster


@async_fixture
async def hollow_node(apiserver: ApiServer) -> AsyncIterator[HollowNode]:
    """Run a node for the API server's pods."""
    from spawnpenny.testing.hollow_node import HollowNode  # noqa: PLC0415 - see above

    async with HollowNode(apiserver.url, apiserver.ssl_context()) as node:
        yield node


@async_fixture
async def hollow_schedulers(hollow_node: HollowNode) -> AsyncIterator[HollowSchedulers]:
    """Run schedulers of Dask clusters on the node that answer as real ones do."""
    from spawnpenny.testing.hollow_scheduler import HollowSchedulers  # noqa: PLC0415 - see above

    async with HollowSchedulers(hollow_node) as schedulers:
        yield schedulers


@async_fixture
async def kube_site(kubernetes_cluster: KubernetesCluster, hollow_node: HollowNode) -> Site:  # noqa: ARG001 - its pods need it
    """Run a site on the API server, its pods on the hollow node."""
    from spawnpenny.testing.site import make_site  # noqa: PLC0415 - see above

    return await make_site(kubernetes_cluster)


@async_fixture
async def embedded_site(tmp_path: Path) -> AsyncIterator[Site]:
    """Run a site on the embedded cluster, with a small web server in place of the lab."""
    from spawnpenny.embedded.cluster import EmbeddedCluster  # noqa: PLC0415 - see above
    from spawnpenny.testing.site import SMALL_LAB, make_site  # noqa: PLC0415 - see above

    async with EmbeddedCluster(
        tmp_path / "cluster", {"spawnpenny/lab": SMALL_LAB, "spawnpenny/shell": ("sh",)}
    ) as cluster:
        yield await make_site(cluster)


@pytest.fixture(params=["embedded", "kube"])
def site(request: pytest.FixtureRequest) -> Site:
    """Run a site on each of the two clusters in turn."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@async_fixture
async def store_cluster(tmp_path: Path) -> AsyncIterator[StoreCluster]:
    """Run the embedded cluster without processes: its pods are ready at once."""
    from spawnpenny.testing.store_cluster import StoreCluster  # noqa: PLC0415 - see above

    async with StoreCluster(tmp_path / "store") as cluster:
        yield cluster


@async_fixture
async def kube_contract_cluster(kubernetes_cluster: KubernetesCluster, hollow_node: HollowNode) -> KubernetesCluster:
    """Connect to the API server, with a node on which the pods of spawns run until they are deleted."""
    from spawnpenny.domain.labels import SPAWN  # noqa: PLC0415 - see above
    from spawnpenny.testing.behaviours import Ready  # noqa: PLC0415 - see above

    # By itself, the node ends pods that are not restarted, as those of orders.
    hollow_node.behave(lambda pod: SPAWN in (pod["metadata"].get("labels") or {}), Ready())
    return kubernetes_cluster


@pytest.fixture(params=["store", "kube"])
def contract_cluster(request: pytest.FixtureRequest) -> Cluster:
    """Have each of the clusters in turn on which the contract of a step is tried."""
    if request.param == "store":
        store: Cluster = request.getfixturevalue("store_cluster")
        return store
    kube: Cluster = request.getfixturevalue("kube_contract_cluster")
    return kube
