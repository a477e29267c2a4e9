"""Which start wins: the same one twice, another one, a replacement, and a stop at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from spawnpenny.api import safe_slug
from spawnpenny.domain.spawns import Phase
from spawnpenny.errors import NameCollisionError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.spawns.errors import StartConflictError, TooManySpawnsError
from spawnpenny.testing.behaviours import Hold
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import HUB, lab, settled, start, stop


async def test_the_same_start_twice_is_one_spawn(site):
    async with site.service() as service:
        runs = await asyncio.gather(*(start(service, "same") for _ in range(5)))
        assert len({run.record.id for run in runs}) == 1
        await settled(runs[0])
        assert len(await site.objects("Pod")) == 1


async def test_another_start_is_refused_and_changes_nothing(site):
    async with site.service() as service:
        run = await settled(await start(service, "one"))
        with pytest.raises(StartConflictError):
            await start(service, "two")
        assert service.spawns.find("ada", lab()) is run


async def test_a_replacement_stops_the_old_pod_by_its_uid_first(site):
    async with site.service() as service:
        old = await settled(await start(service, "one", env={"WHICH": "one"}))
        new = await settled(await start(service, "two", replace=True, env={"WHICH": "two"}))
        assert new.record.phase is Phase.RUNNING, new.record.reason
        assert new.record.pod_uid not in {None, old.record.pod_uid}
        assert old.gone
        assert await site.objects(spawn=old.record.id) == {}


async def test_a_replacement_has_the_grace_period_of_what_it_replaces_on_top_of_its_own_time(site):
    """Unless its caller says how long it waits: then it is no longer than that."""
    site.data["plugins"]["lab"]["grace"] = 40
    site.data["deadlines"] = {"spawn": 200}
    async with site.service() as service:

        async def seconds(start_id, **more):
            run = await settled(await start(service, start_id, replace=True, **more))
            assert run.record.phase is Phase.RUNNING, run.record.reason
            return run.record.deadline - run.record.requested_at

        assert await seconds("one") == pytest.approx(200)
        assert await seconds("two") == pytest.approx(240)
        assert await seconds("three", timeout=100) == pytest.approx(95)


async def test_a_replacement_of_a_spawn_under_way_leaves_nothing_of_it(kube_site, hollow_node):
    async with kube_site.service() as service:
        hollow_node.behave({"spawnpenny.io/installation": kube_site.settings.installation}, Hold())
        old = await start(service, "one")
        await until_step(old, "lab.pod", "running")
        new = await start(service, "two", replace=True)
        await until_step(new, "lab.pod", "running")
        assert old.gone
        assert await kube_site.objects(spawn=old.record.id) == {}


async def test_a_late_stop_of_an_old_start_does_nothing(site):
    async with site.service() as service:
        await settled(await start(service, "old"))
        run = await settled(await start(service, "new", replace=True))
        assert await service.spawns.stop("ada", lab(), start="old") is None
        assert run.record.phase is Phase.RUNNING


async def test_a_start_and_a_stop_at_once_end_in_one_clear_state(site):
    async with site.service() as service:
        for number in range(6):
            first, second = start(service, f"s{number}", replace=True), service.spawns.stop("ada", lab())
            await asyncio.gather(*((first, second) if number % 2 else (second, first)))
            run = service.spawns.find("ada", lab())
            if run is not None:
                await settled(run)
            pods = await site.objects("Pod", "Secret")
            if (run := service.spawns.find("ada", lab())) is None:
                assert pods == {}
            else:
                assert run.record.phase is Phase.RUNNING
                assert set(pods) == {"Pod/lab", "Secret/lab"}


async def test_two_users_and_two_labs_run_side_by_side(site):
    async with site.service() as service:
        desired = [("ada", "~default"), ("ada", "second"), ("Grüße@example.org", "~default")]
        runs = await asyncio.gather(*(start(service, user=user, name=name) for user, name in desired))
        for run in runs:
            await settled(run)
        assert [run.record.phase for run in runs] == [Phase.RUNNING] * 3, [run.record.reason for run in runs]
        assert len({run.record.url for run in runs}) == 3


async def test_what_all_spawns_of_a_user_share_is_made_once(kube_site, apiserver):
    async with kube_site.service() as service:
        position = apiserver.audit_position()
        await asyncio.gather(*[settled(await start(service, name=f"lab{n}")) for n in range(3)])
        made = [
            entry.resource for entry in apiserver.audit(position, user_agent="spawnpenny/") if entry.verb == "create"
        ]
        assert {kind: made.count(kind) for kind in ("namespaces", "configmaps", "resourcequotas")} == {
            "namespaces": 1,
            "configmaps": 1,
            "resourcequotas": 1,
        }


async def test_two_usernames_on_one_slug_are_refused(site):
    one, other = colliding()
    async with site.service() as service:
        await settled(await start(service, user=one))
        with pytest.raises(NameCollisionError):
            await start(service, user=other)


async def test_a_user_has_at_most_ten_spawns(kube_site):
    kube_site.data["plugins"]["quota"] = {"labs": 10, "cpu": 100, "memory": "1Ti"}
    async with kube_site.service() as service:
        for number in range(10):
            await settled(await start(service, name=f"lab{number}"))
        with pytest.raises(TooManySpawnsError, match=r"Stop one first\."):
            await service.spawns.commission(service.spawns.user_state("ada").record.user, identity=HUB)
        stopped = await service.spawns.stop("ada", lab("lab0"))
        with pytest.raises(TooManySpawnsError, match=r"Some of them are ending: try again in a moment\."):
            await service.spawns.commission(service.spawns.user_state("ada").record.user, identity=HUB)
        await stopped.until_gone()


async def test_stopping_what_is_not_there_is_no_error(site):
    async with site.service() as service:
        assert await service.spawns.stop("nobody", lab()) is None
        await settled(await start(service))
        await asyncio.gather(stop(service), stop(service))
        assert await service.spawns.stop("ada", lab()) is None


async def until_step(run, step, state):
    async for event in run.events():
        if (event.step, event.state) == (step, state):
            return


def colliding():
    """Find two names whose slugs are the same: 32 bits of hash, so some 80,000 names do."""
    seen = {}
    for number in range(1_000_000):
        name = "!" + "".join(chr(0x3400 + (number >> shift & 0xFF)) for shift in (0, 8, 16))
        other = seen.setdefault(safe_slug(name), name)
        if other != name:
            return other, name
    raise AssertionError("no collision")


async def test_a_replacement_takes_over_what_cannot_be_taken_away_yet(kube_site):
    """The old start is stuck in its undoing; the new one is not."""
    stuck = Stuck(kube_site.cluster)
    async with replace(kube_site, cluster=stuck).service() as service:
        old = await settled(await start(service, "old"))
        stuck.closed = True
        await service.spawns.stop("ada", lab())
        await stuck.tried.wait()
        new = await start(service, "new", replace=True)
        stuck.closed = False
        await settled(new)
        assert new.record.phase is Phase.RUNNING, new.record.reason
        assert old.gone
        assert await kube_site.objects(spawn=old.record.id) == {}


class Stuck(FaultyCluster):
    """A cluster that does not delete, while it is closed."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.closed, self.tried = False, asyncio.Event()

    async def delete(self, ref, *, uid=None, version=None, grace=None):
        if self.closed:
            self.tried.set()
            raise UnavailableError("The cluster did not answer.")
        return await super().delete(ref, uid=uid, version=version, grace=grace)


async def test_a_replacement_in_the_first_moment_of_a_start_leaves_nothing_of_it(site):
    """The old start begins to make things while the new one is being written down."""
    slow = SlowRecords(site.cluster)
    async with replace(site, cluster=slow).service() as service:
        old = await start(service, "one")
        slow.held = asyncio.Event()
        new = asyncio.create_task(start(service, "two", replace=True))
        await until_step(old, "lab.pod", "running")
        slow.held.set()
        run = await settled(await new)
        assert run.record.phase is Phase.RUNNING, run.record.reason
        assert await site.objects(spawn=old.record.id) == {}
        await stop(service)
        assert not {"Pod/lab", "Secret/lab"} & set(await site.objects())


async def test_whoever_waits_for_a_replaced_start_hears_of_its_end(site):
    async with site.service() as service:
        first = await settled(await start(service, "one"))
        for number in range(3):
            run = await start(service, f"again{number}", replace=True)
        await settled(run)
        async with asyncio.timeout(PATIENCE):
            await first.until_gone()


class SlowRecords(FaultyCluster):
    """A cluster that takes its time to write a record."""

    held = None

    async def replace(self, manifest, resource=None):
        if self.held is not None:
            await self.held.wait()
        return await super().replace(manifest, resource)
