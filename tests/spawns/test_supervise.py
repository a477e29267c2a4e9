"""A spawn that is looked after as long as it runs: scaled, cut to the budget, gone on with after a restart, ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from spawnpenny_dask import spawnpenny_kinds

from spawnpenny.api import ClusterOption, OptionType, Resources, SpawnError, Step, allow, hookimpl
from spawnpenny.domain.spawns import Key, Phase, Scale
from spawnpenny.errors import InvalidOptionError, UnknownOptionError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.spawns.errors import SpawnNotRunningError
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.store import read_record
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start_cluster

CLUSTER = Key("dask", "c1")


class OverError(SpawnError):
    code = "over"


class Herd(Step):
    """A head, and as many sheep as are wanted."""

    name = "dask"
    kinds = frozenset({"dask"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def __init__(self):
        self.over = False
        self.supervised = asyncio.Event()
        self.mistakes = 0
        self.idle = None
        self.passes = Counter()

    def resources(self, spawn):
        return Resources(cpu=1 + spawn.scale.count)

    def secrets(self, spawn):
        return {"password": f"secret of {spawn.name}"}

    async def apply(self, spawn):
        pod = await spawn.cluster.wait(await spawn.cluster.ensure(self._pod(spawn.names.base)))
        spawn.publish_url(url="tls://scheduler:8786", pod=pod["metadata"]["uid"])

    async def supervise(self, spawn):
        if self.mistakes:
            self.mistakes -= 1
            raise RuntimeError("a mistake")
        assert spawn.secrets["password"] == f"secret of {spawn.name}"
        while not self.over:
            self.supervised.set()
            self.passes[spawn.name] += 1
            await spawn.note_idle(self.idle)
            spawn.hold_back(OverError("No grass is left.") if self.idle else None, until=9.0)
            await self._herd(spawn)
            await spawn.changed(60)
        raise OverError("The herd was sold.")

    async def _herd(self, spawn):
        existing = {pod["metadata"]["name"]: pod for pod in spawn.cluster.pods()}
        del existing[spawn.names.base]
        desired = {spawn.names.own(f"w-{number}") for number in range(spawn.scale.count)}
        for name in desired - existing.keys():
            await spawn.cluster.ensure(self._pod(name, part="worker"))
        for name in existing.keys() - desired:
            await spawn.cluster.remove(existing[name])

    async def revert(self, spawn):
        for pod in spawn.cluster.pods():
            await spawn.cluster.remove(pod, wait=True)
        await spawn.cluster.discard("Pod", spawn.names.base)

    def _pod(self, name, part=None):
        labels = {"spawnpenny.io/part": part} if part else {}
        container = {
            "name": "main",
            "image": "spawnpenny/lab",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


@pytest.fixture
def herd(any_site):
    """Have the site's clusters be herds, with a budget of 6 CPU."""
    step = Herd()

    @hookimpl
    def spawnpenny_steps(settings):
        return [step]

    @hookimpl
    def spawnpenny_cluster_options(user, settings):
        return [
            ClusterOption("wool", OptionType.SELECT, "white", choices=("white", "black")),
            ClusterOption("environment", OptionType.MAPPING, {}, secret=True),
        ]

    hooks = {
        "spawnpenny_kinds": spawnpenny_kinds,
        "spawnpenny_steps": spawnpenny_steps,
        "spawnpenny_cluster_options": spawnpenny_cluster_options,
    }
    any_site.plugins = {"herd": SimpleNamespace(**hooks)}
    any_site.data["plugins"]["quota"] = {"cpu": 6}
    return step


async def until_pods(service, site, count):
    """Wait until the cluster has so many pods of the user."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while len(service.service_context.pods.within(site.namespace())) != count:
                await anext(changes)


async def test_it_is_scaled_cut_to_the_budget_and_gone_when_it_is_stopped(any_site, herd):
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        assert run.record.phase is Phase.RUNNING
        assert run.record.request.options == {"wool": "white"}
        scaled = await service.spawns.scale("ada", CLUSTER, Scale(3))
        assert (scaled.scale.count, scaled.refusal) == (3, None)
        await until_pods(service, any_site, 4)
        scaled = await service.spawns.scale("ada", CLUSTER, Scale(99))
        assert scaled.scale.count == run.record.scale.count == 5
        assert scaled.refusal.facts == {"resource": "cpu", "asked": "100", "used": "0", "limit": "6"}
        scaled = await service.spawns.scale("ada", CLUSTER, Scale(1))
        await until_pods(service, any_site, 2)
        assert await service.spawns.scale("ada", Key("dask", "other"), Scale(1)) is None
        await service.spawns.stop("ada", CLUSTER)
        with pytest.raises(SpawnNotRunningError):
            await service.spawns.scale("ada", CLUSTER, Scale(1))
        await run.until_gone()
        assert not await any_site.objects("Pod")


@pytest.mark.parametrize(("idle", "noted"), [(120.0, True), (59.0, False), (None, False)])
async def test_since_when_it_is_idle_is_in_its_record_once_it_matters(any_site, herd, idle, noted):
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        herd.idle = idle
        await service.spawns.scale("ada", CLUSTER, Scale(1))
        await until_pods(service, any_site, 2)
        held = run.held_back
        assert (held.code, held.until) == ("over", 9.0) if idle else held is None
        assert (
            await service.spawns.scale("ada", CLUSTER, Scale(1))
        ).run is run  # under the lock: what was noted is written
    async with any_site.service() as service:
        since = service.spawns.find("ada", CLUSTER).record.idle_since
        assert (since is not None) == noted
        if noted:
            assert 120 <= time.time() - since < 300
        herd.idle = None
        await service.spawns.scale("ada", CLUSTER, Scale(2))
        await until_pods(service, any_site, 3)
        assert service.spawns.find("ada", CLUSTER).record.idle_since is None


async def test_the_next_service_goes_on_looking_after_it(any_site, herd):
    async with any_site.service() as service:
        await settled(await start_cluster(service))
        await service.spawns.scale("ada", CLUSTER, Scale(2))
        await until_pods(service, any_site, 3)
    lost = await any_site.read("Pod", "dask-c1.w-1")
    await any_site.cluster.delete(any_site.ref("Pod", "dask-c1.w-1"), uid=lost["metadata"]["uid"], grace=0)
    async with any_site.service() as service:
        await until_pods(service, any_site, 3)
        run = service.spawns.find("ada", CLUSTER)
        assert (run.record.phase, run.record.scale.count) == (Phase.RUNNING, 2)


async def test_what_adapts_is_held_within_its_bounds_and_the_budget(any_site, herd):
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        scaled = await service.spawns.scale("ada", CLUSTER, Scale(0, minimum=2, maximum=4, adaptive=True))
        assert scaled.scale.count == 2
        ((_, spawn),) = StepView(
            SpawnContext(service.service_context, service.spawns.user_state("ada"), run)
        ).supervising()
        assert [spawn.resize(count) for count in (3, 9, 0)] == [3, 4, 2]
        await service.spawns.scale("ada", CLUSTER, Scale(0, adaptive=True))
        assert spawn.resize(9) == 5
        await until_pods(service, any_site, 6)


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_pods_of_another_cluster_of_the_user_are_no_news_to_it(any_site, herd):
    async with any_site.service() as service:
        for name in ("c1", "c2"):
            await settled(await start_cluster(service, name))
        await until_pods(service, any_site, 2)
        before = herd.passes.copy()
        await service.spawns.scale("ada", Key("dask", "c2"), Scale(4))
        async with asyncio.timeout(PATIENCE):
            while herd.passes["c2"] < before["c2"] + 4:
                herd.supervised.clear()
                await herd.supervised.wait()
        assert herd.passes["c1"] <= before["c1"] + 1  # of its own


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_a_step_that_says_why_ends_it_and_the_reason_stays(any_site, herd):
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        await herd.supervised.wait()
        herd.over = True
        await service.spawns.scale("ada", CLUSTER, Scale(1))
        async with asyncio.timeout(PATIENCE):
            await run.task
        assert (run.record.phase, run.record.reason.code) == (Phase.EXITED, "over")
        assert run.record.reverted
        assert not run.record.secrets
        assert not await any_site.objects("Pod")


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_the_end_of_its_own_pod_is_its_end_and_not_that_of_another_one(any_site, herd):
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        await service.spawns.scale("ada", CLUSTER, Scale(1))
        await until_pods(service, any_site, 2)
        await any_site.cluster.delete(any_site.ref("Pod", "dask-c1.w-0"), grace=0)
        await until_pods(service, any_site, 1)
        await until_pods(service, any_site, 2)
        assert run.record.phase is Phase.RUNNING
        await any_site.cluster.delete(any_site.ref("Pod", "dask-c1"), grace=0)
        await until_pods(service, any_site, 0)
        await run.task
        assert (run.record.phase, run.record.reason.code) == (Phase.EXITED, "pod_gone")


class Dog(Step):
    """Looks after the herd, too."""

    name = "dog"
    kinds = frozenset({"dask"})
    scope = "spawn"
    needs = frozenset({"dask"})

    async def apply(self, spawn):
        pass

    async def revert(self, spawn):
        pass

    async def supervise(self, spawn):
        pass


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_what_is_news_to_one_step_is_so_to_the_others(any_site, herd):
    @hookimpl
    def spawnpenny_steps(settings):
        return [Dog()]

    any_site.plugins["dog"] = SimpleNamespace(spawnpenny_steps=spawnpenny_steps)
    any_site.data["plugins"]["dog"] = {}
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        await herd.supervised.wait()
        (_, one), (_, other) = StepView(
            SpawnContext(service.service_context, service.spawns.user_state("ada"), run)
        ).supervising()
        await service.spawns.scale("ada", CLUSTER, Scale(adaptive=True))
        async with asyncio.timeout(PATIENCE):
            await one.changed(60)
            await other.changed(60)


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_a_mistake_of_a_step_is_made_good_and_ends_nothing(any_site, herd):
    herd.mistakes = 1
    async with any_site.service() as service:
        run = await settled(await start_cluster(service))
        async with asyncio.timeout(PATIENCE):
            await herd.supervised.wait()
        assert run.record.phase is Phase.RUNNING


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_a_scale_that_cannot_be_written_is_not_done(any_site, herd):
    faulty = FaultyCluster(any_site.cluster)
    async with any_site.service(cluster=faulty) as service:
        run = await settled(await start_cluster(service))
        await herd.supervised.wait()  # it is written by then that it runs
        faulty.arm(0, before=refuse)
        with pytest.raises(UnavailableError):
            await service.spawns.scale("ada", CLUSTER, Scale(1))
        assert run.record.scale == Scale()
        assert (await service.spawns.scale("ada", CLUSTER, Scale(1))).scale.count == 1


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_that_it_is_at_work_again_is_noted_until_it_is_written(any_site, herd):
    faulty = FaultyCluster(any_site.cluster)
    async with any_site.service(cluster=faulty) as service:
        run = await settled(await start_cluster(service))
        await look(herd, run, 120.0)
        faulty.arm(0, before=refuse)
        await look(herd, run, None)
    stored = await any_site.read("Secret", "user-ada", any_site.settings.namespaces.state)
    assert read_record(stored).spawns[CLUSTER].idle_since is None


async def look(herd, run, idle):
    """Have the cluster looked at some times, with so many seconds of idle time."""
    herd.idle = idle
    await herd.supervised.wait()
    for _ in range(2):
        herd.supervised.clear()
        run.changes.notify()
        await herd.supervised.wait()


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_a_scale_is_not_done_before_it_is_written(any_site, herd):
    faulty, started, go = FaultyCluster(any_site.cluster), asyncio.Event(), asyncio.Event()

    async def hold(call):
        started.set()
        await go.wait()

    async with any_site.service(cluster=faulty) as service:
        run = await settled(await start_cluster(service))
        await herd.supervised.wait()
        faulty.arm(0, before=hold)
        scaling = asyncio.create_task(service.spawns.scale("ada", CLUSTER, Scale(2)))
        await started.wait()
        ((_, spawn),) = StepView(
            SpawnContext(service.service_context, service.spawns.user_state("ada"), run)
        ).supervising()
        assert (spawn.scale, run.record.resources.cpu) == (Scale(), 3)  # what it will use is counted already
        herd.supervised.clear()
        run.changes.notify()
        await herd.supervised.wait()  # it looks
        go.set()
        assert (await scaling).scale == spawn.scale == Scale(2)
        assert faulty.calls[0].startswith("replace Secret")
        await until_pods(service, any_site, 3)


async def refuse(call):
    raise UnavailableError("The cluster does not answer.")


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
async def test_a_secret_option_is_for_the_steps_and_the_record_alone(any_site, herd):
    async with any_site.service() as service:
        run = await settled(await start_cluster(service, options={"environment": {"PASSWORD": "s3cr3t"}}))
        ((_, spawn),) = StepView(
            SpawnContext(service.service_context, service.spawns.user_state("ada"), run)
        ).supervising()
        assert spawn.options == {"wool": "white", "environment": {"PASSWORD": "s3cr3t"}}
        assert run.record.request.options == {"wool": "white"}
        assert "s3cr3t" not in repr(run.record)
        assert "s3cr3t" not in json.dumps(await any_site.read("Pod", "dask-c1"))
        spawn.notify("It says s3cr3t.")
        assert "s3cr3t" not in str(run.record.log.since(None))


@pytest.mark.parametrize("any_site", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("options", "error"), [({"wool": "red"}, InvalidOptionError), ({"wol": 1}, UnknownOptionError)]
)
async def test_options_are_held_to_what_the_plugins_offer(any_site, herd, options, error):
    async with any_site.service() as service:
        with pytest.raises(error):
            await start_cluster(service, options=options)
