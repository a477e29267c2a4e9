"""The election of the leading broker: one at a time, and another one when it ends or falls silent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from spawnpenny.broker.leader import Election, lease_ref
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.testing.faults import FaultyCluster


class Unreachable(FaultyCluster):
    """A cluster that does not answer one of its clients while ``silent`` is set."""

    silent = False

    async def replace(self, manifest, resource=None):
        if self.silent:
            raise UnavailableError("The cluster does not answer.")
        return await super().replace(manifest, resource)


class Contender:
    """A broker in the election, with events for the beginning and end of its lead."""

    def __init__(self, site, lease):
        self.cluster = Unreachable(site.cluster)
        site.data["broker"] = {"lease": lease}
        ref = lease_ref(site.settings)
        self.leases = Informer(self.cluster, ref.resource, namespace=ref.namespace)
        self.election = Election(self.cluster, site.settings, self.leases)
        self.leads, self.ended = asyncio.Event(), asyncio.Event()
        self.left_at_the_end = None

    async def lead(self):
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left_at_the_end = self.election.left()
            self.ended.set()

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(work) for work in (self.leases.run(), self.election.run(self.lead))]
        return self

    async def __aexit__(self, *error):
        for task in reversed(self.tasks):
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
async def enter():
    async with AsyncExitStack() as stack:
        yield stack.enter_async_context


async def test_one_of_many_leads(site, enter):
    many = [await enter(Contender(site, 30)) for _ in range(4)]
    await asyncio.wait(
        [asyncio.create_task(contender.leads.wait()) for contender in many], return_when="FIRST_COMPLETED"
    )
    (leader,) = [contender for contender in many if contender.leads.is_set()]
    holder = (await site.cluster.read(lease_ref(site.settings)))["spec"]["holderIdentity"]
    assert holder == leader.election._me
    assert [contender.election.leading for contender in many].count(True) == 1


async def test_the_lease_says_which_process_leads(site, enter):
    site.data["replicas"] = {"name": "broker-5f7d"}
    first = await enter(Contender(site, 30))
    await first.leads.wait()
    holder = (await site.cluster.read(lease_ref(site.settings)))["spec"]["holderIdentity"]
    assert holder.startswith("broker-5f7d_")


async def test_another_one_leads_at_once_when_the_leader_ends(site, enter):
    async with Contender(site, 3600) as first:
        await first.leads.wait()
        second = await enter(Contender(site, 3600))
        await second.leases.synced.wait()
        assert not second.leads.is_set()
    await second.leads.wait()


@pytest.mark.parametrize("lease", [3, 0.5])
async def test_a_leader_that_cannot_renew_ends_before_another_one_may_lead(site, enter, lease):
    first = await enter(Contender(site, 3))
    await first.leads.wait()
    second = await enter(Contender(site, lease))
    first.cluster.silent = True
    await second.leads.wait()
    assert first.ended.is_set()
    assert not first.election.leading


async def test_a_leader_whose_lease_another_one_has_ends(site, enter):
    first = await enter(Contender(site, 3))
    await first.leads.wait()
    ref = lease_ref(site.settings)
    await site.cluster.patch(ref, {"spec": {"holderIdentity": "another"}})
    await first.ended.wait()
    assert first.left_at_the_end <= 0


async def test_a_lease_that_was_deleted_is_made_again(site, enter):
    first = await enter(Contender(site, 3))
    await first.leads.wait()
    ref = lease_ref(site.settings)
    old = (await site.cluster.read(ref))["metadata"]["uid"]
    await site.cluster.delete(ref)
    await first.leases.wait_for(
        ref.namespace, ref.name, lambda existing: existing is not None and existing["metadata"]["uid"] != old
    )
    assert (await site.cluster.read(ref))["spec"]["holderIdentity"] == first.election._me
