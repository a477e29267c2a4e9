"""A site whose service reaches the real API server only through a proxy that makes faults."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import Site
from tests.kit.fault_proxy import FaultProxy


@dataclass
class Proxied:
    """``site`` sees the cluster as it is; the services of ``services`` see it through ``proxy``."""

    site: Site
    proxy: FaultProxy
    kubeconfig: str

    @asynccontextmanager
    async def service(self, **options: Any):
        async with self.cluster(**options) as cluster, replace(self.site, cluster=cluster).service() as service:
            yield service

    @asynccontextmanager
    async def cluster(self, **options: Any):
        timeouts = {"timeout": 1.0, "patience": 15.0} | options
        async with await KubernetesCluster.connect(self.kubeconfig, **timeouts) as cluster:
            yield cluster


@pytest.fixture
async def proxied(kube_site, fault_proxy, tmp_path):
    return Proxied(kube_site, fault_proxy, str(fault_proxy.kubeconfig(tmp_path)))


def tasks_of_the_service():
    """Return the tasks of our own code, but for those of the test kit."""

    def is_ours(task):
        file = task.get_coro().cr_code.co_filename
        return "spawnpenny" in file and "/testing/" not in file and "/tests/" not in file

    return {task for task in asyncio.all_tasks() if is_ours(task)}


@dataclass(frozen=True)
class Household:
    """What a service keeps in memory, and of the world outside, as far as it must not grow by itself."""

    tasks: Counter
    streams: Counter
    subscriptions: int
    waiters: int
    runs: frozenset
    holders: int
    locked: int
    permits: int

    @classmethod
    async def of(cls, service, proxy, before=None):
        """Look, once what goes on beyond ``before`` has ended."""
        more = tasks_of_the_service() - (before or tasks_of_the_service())
        if more:
            _, left = await asyncio.wait(more, timeout=PATIENCE)
            assert not left
        async with asyncio.timeout(PATIENCE):
            await proxy.until_quiet()
        shared = service.membership
        watched = (service.service_context.pods, service.service_context.namespaces, shared.records, shared.leases)
        accounts = list(service.spawns._user_registry)
        return cls(
            tasks=Counter(task.get_coro().__qualname__ for task in tasks_of_the_service()),
            streams=Counter(str(stream.target) for stream in proxy.streams),
            subscriptions=sum(len(informer._subscriptions) for informer in watched),
            waiters=sum(len(informer._waiters) for informer in watched),
            runs=frozenset(f"{account.username} {key}" for account in accounts for key in account.runs),
            holders=sum(account.holders for account in accounts),
            locked=sum(lock.locked() for account in accounts for lock in (account.lock, *account.step_locks.values())),
            permits=service.service_context.start_queue.taken,
        )


@pytest.fixture
def household():
    return Household.of


@pytest.fixture
def service_tasks():
    return tasks_of_the_service
