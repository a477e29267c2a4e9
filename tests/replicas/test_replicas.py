"""Several services on one cluster: each user has one owner, and no user is lost when a replica ends."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.replicas.errors import ElsewhereError, ReplicaFencedError
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import lab, settled, start, stop

VICTIM = Path(__file__).parents[1] / "spawns" / "victim.py"


async def test_a_user_is_looked_after_by_the_replica_that_took_the_first_start(site):
    site.data["replicas"] = {"address": "http://127.0.0.1:1"}
    async with site.service("a") as one, site.service("b") as two:
        await settled(await start(one))
        await two.membership.ownership.wait_for_other_owner("ada")
        with pytest.raises(ElsewhereError) as elsewhere:
            two.spawns.find("ada", lab())
        assert elsewhere.value.address == "http://127.0.0.1:1"
        with pytest.raises(ElsewhereError):
            await start(two, "s2")
        with pytest.raises(ElsewhereError):
            await two.spawns.stop("ada", lab())
        assert [account.username for account, _ in two.spawns.all(lab().kind)] == ["ada"]
        assert two.spawns.find("bob", lab()) is None


async def test_a_list_is_read_in_parts_whosever_the_users_are(site):
    users = ["ada", "bob", "cleo", "dora"]
    async with site.service("a") as one, site.service("b") as two:
        for user, service in zip(users, (one, two, one, two), strict=True):
            await settled(await start(service, user=user))
        for slug in ("bob", "dora"):
            await one.membership.ownership.wait_for_other_owner(slug)
        found, after = [], ("", "")
        while part := one.spawns.all(lab().kind, after=after, limit=1):
            ((account, run),) = part
            found.append(account.username)
            after = (account.username, run.record.key.name)
        assert found == users


async def test_two_replicas_that_are_asked_at_once_start_one_lab(site):
    async with site.service("a") as one, site.service("b") as two:
        answers = await asyncio.gather(start(one, "s1"), start(two, "s1"), return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["ActiveSpawn", "ElsewhereError"]
        (run,) = [answer for answer in answers if not isinstance(answer, Exception)]
        assert (await settled(run)).record.phase is Phase.RUNNING
        assert len(await site.objects("Pod")) == 1


async def test_the_users_of_a_replica_that_ends_are_taken_over_at_once(site, taken_over, log_entries):
    async with site.service("b") as two:
        async with site.service("a") as one:
            run = await settled(await start(one))
            await start(one, user="bob")
        standing = await taken_over(two)
        assert (standing.record.phase, standing.record.pod_uid) == (Phase.RUNNING, run.record.pod_uid)
        assert (await settled(await taken_over(two, "bob"))).record.phase is Phase.RUNNING
        gone = {"event": "another replica has ended", "other": one.membership.me.identity, "log_level": "info"}
        assert gone in log_entries
        await stop(two)
        assert await site.objects("Pod") == {}


async def test_what_another_replica_left_half_done_is_finished_when_its_lease_has_expired(
    apiserver, kube_site, taken_over
):
    kube_site.data["replicas"] = {"lease": 4, "name": "victim"}
    async with kube_site.service("b") as service:
        arguments = {
            "kubeconfig": str(apiserver.kubeconfig),
            "data": kube_site.data,
            "work": "spawn",
            "at": 6,
            "when": "after",
        }
        process = await asyncio.create_subprocess_exec(sys.executable, str(VICTIM), json.dumps(arguments))
        assert await process.wait() == -signal.SIGKILL
        run = await taken_over(service)
        assert (await settled(run)).record.phase is Phase.RUNNING, run.record.reason


class Deaf(FaultyCluster):
    """A cluster that stores no Lease of a replica while ``deaf``."""

    deaf = False

    async def replace(self, manifest, resource=None):
        if self.deaf and manifest["kind"] == "Lease":
            raise UnavailableError("no answer")
        return await super().replace(manifest, resource)


@pytest.mark.usefixtures("short_leases")
async def test_a_replica_that_cannot_renew_its_lease_writes_nothing_and_lets_go(site, taken_over, log_entries):
    deaf = Deaf(site.cluster)
    async with site.service("a", deaf) as one, site.service("b") as two:
        run = await settled(await start(one))
        deaf.deaf = True
        standing = await taken_over(two)
        assert (standing.record.phase, standing.record.pod_uid) == (Phase.RUNNING, run.record.pod_uid)
        (warning,) = [entry for entry in log_entries if entry["event"].startswith("another replica is taken for dead")]
        assert (warning["other"], warning["log_level"]) == (one.membership.me.identity, "warning")
        deaf.arm()
        with pytest.raises(ReplicaFencedError):
            await start(one, user="bob")
        with pytest.raises(ReplicaFencedError):
            await one.service_context.broker.release_namespace(
                "ada", one.service_context.namespaces.items()[0]["metadata"]["uid"]
            )
        assert deaf.calls == []
        await settled(await start(two, "s2", replace=True))
        await run.until_gone()
        assert run.moved
        deaf.deaf = False
        assert (await settled(await start(one, user="bob"))).record.phase is Phase.RUNNING
        assert two.spawns.find("ada", lab()).record.request.start == "s2"
        with pytest.raises(ElsewhereError):
            one.spawns.find("ada", lab())


class Stuck(Deaf):
    """A cluster that hangs when a replica creates a pod, and stores no Lease of it from then on."""

    stuck = True

    async def create(self, manifest, resource=None):
        if manifest["kind"] == "Pod" and self.stuck:
            self.deaf = True
            await asyncio.Event().wait()
        return await super().create(manifest, resource)


@pytest.mark.usefixtures("short_leases")
async def test_a_replica_that_comes_back_takes_nothing_away_of_what_another_one_finished(site, taken_over):
    stuck = Stuck(site.cluster)
    async with site.service("a", stuck) as one, site.service("b") as two:
        left = await start(one)
        standing = await settled(await taken_over(two))
        assert standing.record.phase is Phase.RUNNING
        stuck.arm()
        stuck.deaf = stuck.stuck = False
        await asyncio.wait({left.task})  # it was about to delete what it had made
        assert (await settled(await start(one, user="bob"))).record.phase is Phase.RUNNING
        assert [call for call in stuck.calls if call.endswith(site.namespace())] == []
        assert {"Pod/lab", "Secret/lab"} <= set(await site.objects("Pod", "Secret"))


async def test_a_process_of_the_same_name_puts_an_end_to_the_earlier_one(site):
    site.data["replicas"] = {"lease": 3}
    async with site.service("a") as earlier, site.service("a") as later:
        await earlier.membership.heartbeat.lost.wait()
        with pytest.raises(ReplicaFencedError):
            await start(earlier)
        assert (await settled(await start(later))).record.phase is Phase.RUNNING


async def test_a_rolling_restart_under_load_loses_no_spawn_and_stops_no_lab(kube_site, taken_over):
    users = [f"user{number}" for number in range(30)]
    async with AsyncExitStack() as old, AsyncExitStack() as new:
        one = await old.enter_async_context(kube_site.service("a"))
        standing = {user: await settled(await start(one, user=user)) for user in users[:10]}
        later = [await new.enter_async_context(kube_site.service(name)) for name in ("b", "c")]
        await asyncio.gather(*(start(one, user=user) for user in users[10:]))
        await old.aclose()
        found = await asyncio.gather(*(first([taken_over(service, user) for service in later]) for user in users))
        for user, run in zip(users, found, strict=True):
            assert (await settled(run)).record.phase is Phase.RUNNING, run.record.reason
            if user in standing:
                assert run.record.pod_uid == standing[user].record.pod_uid


async def first(works):
    """Return the first result, and cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    return done.pop().result()
