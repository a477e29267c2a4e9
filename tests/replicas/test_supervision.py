"""Long-lived tasks: however one ends, the service and the broker recover, or report that they cannot."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from spawnpenny.aio.supervisor import GiveUpError, Restarts, Supervisor
from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.local import run_local_broker
from spawnpenny.broker.server import run_broker
from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.replicas.fence import Fence
from spawnpenny.replicas.fence_watch import FenceWatch
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import settled, start
from spawnpenny.testing.web_server import serve_site

SHORT_PAUSES = Restarts(first=0.01, longest=0.1, settled=0.1)
SERVICE_TASKS = {
    "adoption",
    "fence",
    "heartbeat",
    "history",
    "leases informer",
    "loop lag",
    "maintenance",
    "namespaces informer",
    "peers",
    "pod watcher",
    "pods informer",
    "records informer",
}
LOCAL_BROKER_TASKS = {"broker namespaces informer", "broker pods informer"}
BROKER_CLIENT_TASKS = {"broker request expiry", "broker requests informer", "broker status"}
BROKER_TASKS = {
    "broker requests",
    "broker status",
    "election",
    "leases informer",
    "namespaces informer",
    "pods informer",
    "requests informer",
}


async def kill(supervised):
    """End a task by an unexpected error, at the place where it waits."""
    waiter = None
    while waiter is None or waiter.done():
        await asyncio.sleep(0)
        waiter = supervised.task
        while isinstance(waiter, asyncio.Task):  # it waits for another task: follow that one
            waiter = waiter._fut_waiter
    waiter.set_exception(OSError(24, "Too many open files"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def until(condition):
    while not condition():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.02)


async def until_well(supervisor):
    await until(lambda: all(supervisor.standing().values()))


def running(supervisor):
    return [task for task in supervisor if not task.done]


@asynccontextmanager
async def serve(site, name, supervisor, *, open_broker=run_local_broker, lease=3):
    """Serve a replica as the command does; yield a client and the service."""
    site.data["tokens"] = {"hub": {"sha256": hash_token("hub-token"), "scopes": ["admin", "spawn:any", "read:any"]}}
    site.data["replicas"] = {"lease": lease, "name": name}
    async with (
        serve_site(site, open_broker=open_broker, supervisor=supervisor) as server,
        server.client("hub") as client,
    ):
        yield client, server.service


async def test_a_service_heals_from_the_unforeseen_end_of_each_of_its_tasks(embedded_site):
    supervisor, embedded_site.data["replicas"] = Supervisor(SHORT_PAUSES), {"lease": 3}
    async with embedded_site.service("other") as other, serve(embedded_site, "one", supervisor) as (client, service):
        tasks = running(supervisor)
        names = {task.name for task in tasks}
        assert names >= SERVICE_TASKS | LOCAL_BROKER_TASKS
        assert sorted(name.partition(" at ")[0] for name in names if " at " in name) == ["connections", "listener"]
        for number, task in enumerate(tasks):
            await kill(task)
            await until_well(supervisor)
            while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110 - it is asked as a probe does
                await asyncio.sleep(0.05)
            await works(service, other, f"user{number}")
        assert {"adoption", "peers", "pod watcher", "maintenance"} <= set(supervisor.failures)
    assert not supervisor.given_up.is_set()
    assert running(supervisor) == []


async def works(service, other, user):
    """Use all tasks: start and lose a lab, follow another replica, renew the Lease, write."""
    run = await settled(await start(service, user=user))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    (pod,) = service.service_context.pods.within(f"{service.settings.namespaces.prefix}{user}")
    await service.service_context.cluster.delete(Ref.of(pod))
    while not run.record.phase.over:
        await run.bell.next().wait()
    await settled(await start(other, user=f"{user}-2"))
    await service.membership.ownership.wait_for_other_owner(f"{user}-2")
    leases, place = (
        service.membership.leases,
        (service.settings.namespaces.state, f"replica-{service.membership.me.name}"),
    )
    before = leases.get(*place)["metadata"]["resourceVersion"]
    await leases.wait_for(*place, lambda lease: lease["metadata"]["resourceVersion"] != before)
    assert service.membership.heartbeat.fence.is_open


async def test_broker_and_service_heal_from_the_unforeseen_end_of_each_task_between_them(kube_site):
    kube_site.separate, kube_site.data["broker"] = True, {"lease": 2}
    brokers, services = Supervisor(SHORT_PAUSES), Supervisor(SHORT_PAUSES)
    async with (
        run_broker(kube_site.cluster, kube_site.settings, supervisor=brokers) as broker,
        serve(kube_site, "one", services, open_broker=run_broker_client) as (_, service),
    ):
        await broker.until_leading()
        await until(lambda: {task.name for task in running(brokers)} >= BROKER_TASKS)
        clients = [task for task in running(services) if task.name in BROKER_CLIENT_TASKS]
        assert len(clients) == len(BROKER_CLIENT_TASKS)
        names = [task.name for task in running(brokers)]
        for number, name in enumerate([*names, *(task.name for task in clients)]):
            tasks = {task.name: task for task in (clients if number >= len(names) else running(brokers))}
            await kill(tasks[name])
            await until_well(brokers)
            await until_well(services)
            await until(lambda: broker.leading and broker.ready)
            await service.service_context.broker.claim_namespace(f"user{number}")
    assert not brokers.given_up.is_set()
    assert running(brokers) == []


async def test_nothing_runs_in_a_service_for_long_but_what_is_supervised(embedded_site):
    supervisor = Supervisor(SHORT_PAUSES)
    before = asyncio.all_tasks()
    async with serve(embedded_site, "one", supervisor) as (client, service):
        await settled(await start(service))
        await client.get("/readyz")
        supervised = {task.task for task in supervisor}
        others = asyncio.all_tasks() - before - supervised
        names = {task.get_coro().__qualname__ for task in others}
        # One a connection that is open, and those of the pod that the embedded cluster runs.
        assert {
            name for name in names if not name.startswith(("RequestHandler.", "Node.", "Pod.", "Container.", "Probe."))
        } == set()


async def test_a_task_that_keeps_failing_is_reported_at_once_and_given_up_in_the_end(embedded_site):
    supervisor = Supervisor(Restarts(first=0.01, longest=0.02, settled=10, alarm=0.1, patience=0.3))
    async with serve(embedded_site, "one", supervisor) as (client, _):
        assert (await client.get("/readyz")).status == (await client.get("/healthz")).status == 200
        failed = asyncio.Event()

        async def fail():
            failed.set()
            raise RuntimeError("for ever")

        supervisor.supervise("broken", fail)
        await failed.wait()
        ready = await client.get("/readyz")
        assert ready.status == 503
        assert "broken" in (await ready.json())["detail"]
        await supervisor.given_up.wait()
        assert (await client.get("/healthz")).status == 503
        metrics = await (await client.get("/metrics")).text()
        assert 'spawnpenny_task_running{task="broken"} 0.0' in metrics
        assert 'spawnpenny_task_failures_total{task="broken"}' in metrics


@dataclass
class WithoutRenewals(FaultyCluster):
    """A cluster that refuses to store one replica's Lease while ``refuses`` is set."""

    refuses: bool = False

    async def replace(self, manifest, resource=None):
        if self.refuses and manifest["metadata"]["name"] == "replica-one":
            raise ClusterForbiddenError("no")
        return await super().replace(manifest, resource)


async def test_a_fence_that_stays_shut_is_reported_at_once_and_ends_the_process_in_the_end(embedded_site):
    supervisor = Supervisor(Restarts(first=0.01, longest=0.02, settled=0.1, alarm=0.1, patience=7))
    embedded_site.data["replicas"] = {"lease": 1}
    cluster = embedded_site.cluster = WithoutRenewals(embedded_site.cluster)
    async with (
        embedded_site.service("other"),  # its Lease changes, so that the cluster sends something
        serve(embedded_site, "one", supervisor, lease=1) as (client, service),
    ):
        cluster.refuses = True
        await until(lambda: not service.membership.heartbeat.fence.is_open)
        assert ((await client.get("/readyz")).status, (await client.get("/healthz")).status) == (503, 200)
        while (await client.get("/healthz")).status == 200:  # noqa: ASYNC110 - it is asked as a probe does
            await asyncio.sleep(0.05)
        assert not supervisor.given_up.is_set()
        cluster.refuses = False  # and all is well again
        await until(lambda: service.membership.heartbeat.fence.is_open)
        assert ((await client.get("/readyz")).status, (await client.get("/healthz")).status) == (200, 200)
        cluster.refuses = True
        await supervisor.given_up.wait()
        answer = await client.get("/healthz")
        assert answer.status == 503
        assert "fence" in (await answer.json())["detail"]
        metrics = await (await client.get("/metrics")).text()
        assert 'spawnpenny_task_running{task="fence"} 0.0' in metrics
        assert "spawnpenny_lease_valid 0.0" in metrics


async def test_a_fence_that_is_shut_while_the_cluster_is_away_ends_nothing():
    """However long that takes: once the cluster answers again, the Lease can be renewed."""
    silence, looks = math.inf, 0

    def silent_for():
        nonlocal looks
        looks += 1
        return silence

    watch = FenceWatch(Fence(1), silent_for, 0.004, Restarts(alarm=0.05, patience=0.1))
    task = asyncio.create_task(watch.run())
    for _ in range(2):
        before = looks
        await until(lambda before=before: looks > before + 200)  # twice as long as its patience
        assert not task.done()
        assert not watch.is_hopeless
        silence = 0.09  # a word came, and the next one is missing
    silence = 0
    with pytest.raises(GiveUpError):
        await task


async def test_a_heartbeat_that_is_ended_again_and_again_is_reported_and_given_up(embedded_site):
    supervisor = Supervisor(Restarts(first=0.01, longest=0.02, settled=0.5, alarm=1, patience=3))
    async with serve(embedded_site, "one", supervisor) as (client, _):
        (heartbeat,) = (task for task in running(supervisor) if task.name == "heartbeat")
        failing = None
        while not supervisor.given_up.is_set():
            runs = heartbeat.started
            if runs is None:
                await asyncio.sleep(0)
                continue
            await kill(heartbeat)
            if failing is None:
                assert (await client.get("/readyz")).status == 503
                assert (await client.get("/healthz")).status == 200
            elif not supervisor.given_up.is_set() and supervisor.hopeless():
                assert (await client.get("/healthz")).status == 503
            failing = runs
        assert (await client.get("/healthz")).status == 503


async def test_a_task_that_the_process_can_do_without_leaves_it_ready(embedded_site):
    supervisor = Supervisor(SHORT_PAUSES)
    async with serve(embedded_site, "one", supervisor) as (client, _):
        failures = 0

        async def fail():
            nonlocal failures
            failures += 1
            raise RuntimeError("for ever")

        supervisor.supervise("luxury", fail, essential=False)
        await until(lambda: failures >= 3)
        assert (await client.get("/readyz")).status == 200


async def test_a_task_that_ends_by_itself_or_by_a_stray_cancellation_is_restarted():
    supervisor, runs = Supervisor(SHORT_PAUSES), []

    async def end():
        runs.append("end")

    async def cancelled():
        runs.append("cancelled")
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async def once():
        runs.append("once")

    supervisor.supervise("end", end)
    supervisor.supervise("cancelled", cancelled)
    supervisor.supervise("once", once, finite=True)
    await until(lambda: min(runs.count("end"), runs.count("cancelled")) >= 3)
    await supervisor.close()
    assert runs.count("once") == 1
    assert running(supervisor) == []


@pytest.mark.parametrize("ends_by", ["close", "a cancelled task"])
async def test_a_task_that_answers_its_end_with_an_error_of_its_own_is_not_started_again(ends_by):
    supervisor, starts = Supervisor(SHORT_PAUSES), []

    async def work():
        starts.append(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("the connection was closed") from None

    supervised = supervisor.supervise("stubborn", work)
    await until(lambda: starts)
    if ends_by == "close":
        await supervisor.close()
    else:
        supervised.task.cancel()
        await asyncio.wait({supervised.task})
    assert starts == [1]
