"""Writes of two replicas for one user: conflicts, the write fence, and records that are not adopted yet."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.users import User
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.replicas.errors import ElsewhereError, ReplicaFencedError
from spawnpenny.replicas.fence import Fence
from spawnpenny.spawns.errors import RecordLostError
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.store import RecordStore, read_record
from spawnpenny.testing.site import settled, start


async def test_an_account_does_not_write_over_what_another_one_of_the_same_replica_wrote(site):
    store = RecordStore(site.cluster, site.settings.namespaces.state, site.settings.installation, "me")
    earlier, later = (UserRecord(User("ada", uid, uid), "me") for uid in (2001, 2002))
    await store.save(earlier)
    with pytest.raises(RecordLostError):
        await store.save(later)
    stored = await site.read("Secret", "user-ada", site.settings.namespaces.state)
    assert read_record(stored).user.uid == 2001


async def test_a_fence_opens_again_while_a_write_that_it_broke_off_still_ends():
    fence, broken_off, ended = Fence(1), asyncio.Event(), asyncio.Event()

    async def write():
        async with fence.writing():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                broken_off.set()
                await ended.wait()
                raise

    now = asyncio.get_running_loop().time()
    fence.open_until(now + 0.01)
    writing = asyncio.create_task(write())
    await broken_off.wait()
    fence.open_until(now + 60)
    ended.set()
    with pytest.raises(ReplicaFencedError):
        await writing
    assert fence.is_open


async def test_the_lease_of_a_replica_that_was_killed_does_not_stay(embedded_site):
    embedded_site.data |= {"replicas": {"lease": 3}, "housekeeping": {"every": 1}}
    state = embedded_site.settings.namespaces.state
    async with embedded_site.service("killed"):
        lease = await embedded_site.read("Lease", "replica-killed", state)
    del lease["metadata"]["resourceVersion"]
    await embedded_site.cluster.create(lease)  # as a killed replica leaves it
    async with embedded_site.service("standing") as service:
        await service.membership.leases.wait_for(state, "replica-killed", lambda found: found is None)
        assert await embedded_site.read("Lease", "replica-standing", state) is not None


async def test_a_record_that_nobody_here_has_in_hand_is_no_lab_that_is_gone(site):
    """As between the event of a record and its adoption: "not known yet" does not mean "gone"."""
    async with site.service() as service:
        run = await settled(await start(service))
        account = service.spawns.user_state("ada")
        service.spawns._user_registry.let_move(account)  # as when another replica seemed to own it for a moment
        with pytest.raises(ElsewhereError):
            service.spawns.user_state("ada")
        record = Ref(resource_of("Secret"), "user-ada", site.settings.namespaces.state)
        await site.cluster.patch(record, {"metadata": {"annotations": {"note": "touched"}}})
        await service.membership.records.wait_for(
            record.namespace, record.name, lambda found: "note" in found["metadata"]["annotations"]
        )
        await asyncio.sleep(0)
        again = await start(service)
        assert again.record.pod_uid == run.record.pod_uid
