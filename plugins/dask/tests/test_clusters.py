"""Dask clusters on a whole site, with real schedulers and workers."""

from __future__ import annotations

import asyncio
import base64
import json

import aiohttp
import pytest
import structlog

from spawnpenny.api import Key, Phase, QuotaExceededError, Scale, pod_is_ready
from spawnpenny.testing.behaviours import Crash, Ready
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import POD_UID, find_processes
from spawnpenny.testing.site import settled, start_cluster


async def test_a_cluster_computes_scales_and_leaves_nothing(any_dask_site):
    async with any_dask_site.running(worker={"memory": "1Gi"}) as site:
        run = await site.cluster(environment={"COLOUR": "deep blue"})
        assert run.record.reason is None
        assert run.record.url.startswith("tls://127.")
        assert await requests_without_token(run) == {
            "/health": 200,
            "/state": 401,
            "/retire": 401,
            "dashboard /api": 404,
        }
        await site.scale(3)
        await site.until_workers(3)
        script = """
from distributed import get_client
client.wait_for_workers(3)
print(client.submit(lambda: __import__("os").environ["COLOUR"]).result())
print(client.submit(lambda: get_client().submit(sum, [1, 2]).result()).result())
client.publish_dataset(kept=client.scatter(list(range(30))))
"""
        assert (await site.python_in("c1", script)).split("\n") == ["deep blue", "3"]
        await site.scale(1)
        await site.until_workers(1)
        assert await site.python_in("c1", "print(sum(client.gather(client.get_dataset('kept'))))") == "435"
        assert not [message for message in site.events() if "worker" in message and "ended" in message]
        await site.scale(0)  # then nobody is left who could take the data
        await site.until_workers(0)
        await site.stop()
        assert not await site.site.objects("Pod", "Secret")


async def requests_without_token(run):
    """Return how a scheduler answers whoever reaches it."""
    host, found = run.record.url.removeprefix("tls://").removesuffix(":8786"), {}
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer guess"}) as session:
        for path, method in (("/health", "GET"), ("/state", "GET"), ("/retire", "POST")):
            async with session.request(method, f"http://{host}:8788{path}", json={"count": 1}) as answer:
                found[path] = answer.status
        async with session.post(f"http://{host}:8787/api/v1/retire_workers", json={}) as answer:
            found["dashboard /api"] = answer.status
    return found


async def test_what_is_lost_is_replaced_also_while_the_service_was_away(dask_site):
    async with dask_site.running() as site:
        await site.cluster()
        await site.scale(1)
        first = await site.until_workers(1)
        await site.site.cluster.delete(site.site.ref("Pod", *first))
        second = await site.until_workers(1, but=first)
    await site.site.cluster.delete(site.site.ref("Pod", *second))
    async with dask_site.running() as site:
        assert await site.until_workers(1, but=second) != first
        assert await site.python_in("c1", "client.wait_for_workers(1); print(1)") == "1"
        await site.stop()


async def test_a_scheduler_that_is_busy_outlives_the_loss_of_its_record(dask_site):
    async with dask_site.running() as site:
        await site.cluster()
        await site.scale(1)
        workers = await site.until_workers(1)
        scheduler = await site.site.read("Pod", "dask-c1")
        busy = await asyncio.to_thread(find_processes, {POD_UID: scheduler["metadata"]["uid"]})
        await until_ready(site.service, site.site.namespace(), "dask-c1", ready=True)
        for process in busy:
            process.suspend()
        await until_ready(site.service, site.site.namespace(), "dask-c1", ready=False)
    record = site.site.ref("Secret", "user-ada", site.site.settings.namespaces.state)
    await site.site.cluster.delete(record)
    async with dask_site.running() as site:
        assert site.run().record.phase is Phase.PENDING
        for process in busy:
            process.resume()
        await settled(site.run())
        assert site.run().record.phase is Phase.RUNNING
        assert (await site.site.read("Pod", "dask-c1"))["metadata"]["uid"] == scheduler["metadata"]["uid"]
        assert site.workers() == workers
        await site.stop()
        assert not await site.site.objects("Pod", "Secret")


async def until_ready(service, namespace, name, *, ready):
    async with asyncio.timeout(PATIENCE):
        await service.service_context.pods.wait_for(namespace, name, lambda pod: pod and pod_is_ready(pod) is ready)


async def test_an_adaptive_cluster_follows_its_work(dask_site):
    async with dask_site.running() as site:
        await site.cluster()
        await site.scale(adaptive=True, maximum=2)
        slow = "print(sum(client.gather(client.map(lambda n: __import__('time').sleep(0.2) or n, range(30)))))"
        total, _ = await asyncio.gather(site.python_in("c1", slow), site.until_workers(2))
        assert total == "435"
        await site.until_workers(0)


async def test_a_cluster_that_nobody_uses_ends(dask_site):
    async with dask_site.running(idle_timeout=1) as site:
        await site.cluster()
        reason = await site.ended()
        assert (reason.code, reason.message) == ("cluster_idle", "The cluster had nothing to do for 1 second.")
        assert not await site.site.objects("Pod", "Secret")


async def test_a_cluster_ends_with_its_lifetime(dask_site):
    async with dask_site.running(lifetime=1, idle_timeout=0) as site:
        await site.cluster()
        assert (await site.ended()).code == "cluster_lifetime"


async def test_an_image_without_distributed_is_reported_and_nothing_is_left(dask_site):
    async with dask_site.running() as site:
        run = await site.cluster(image="none")
        assert run.record.reason.code == "pod_crashed"
        assert not await site.site.objects("Pod", "Secret")


async def test_workers_that_cannot_run_are_reported_once_and_not_hammered(dask_site):
    program = "import os, time; raise SystemExit(str(time.time()) + ': no licence for ' + os.environ['KEY'])"
    broken = {"extra_container_config": {"args": ["python", "-c", program]}}
    async with dask_site.running(worker=broken) as site:
        await site.cluster(environment={"KEY": "b3r8-q7zk-0x91"})
        with site.service.service_context.pods.subscribe() as changes:
            await site.scale(1)
            seen = set()
            while len(seen) < 3:
                seen |= {(await anext(changes)).object["metadata"]["name"]} - {"dask-c1"}
        (notice,) = [message for message in site.events() if "A worker" in message]
        assert notice.startswith("A worker has ended. The container worker ended by itself with exit code 1: ")
        assert notice.endswith(": no licence for [secret].")
        run = site.service.spawns.find("ada", Key("dask", "c1"))
        assert {ended.pod["metadata"]["name"] for ended in run.ended_parts} <= seen
        assert len(run.ended_parts) >= 2
        async with asyncio.timeout(PATIENCE):
            while (held := run.held_back) is None:  # noqa: ASYNC110 - nothing else tells that a pause has begun
                await asyncio.sleep(0)
        assert (held.code, held.until > run.ended_parts[0].at) == ("pod_crashed", True)
        assert held.message.endswith(": no licence for [secret].")


async def test_what_holds_back_workers_that_will_never_come_is_known(dask_site):
    async with dask_site.running(worker={"extra_container_config": {"image": "no/such"}}) as site:
        await site.cluster()
        await site.scale(2)
        run = site.run()
        async with asyncio.timeout(30):
            while (held := run.held_back) is None:  # noqa: ASYNC110 - nothing else tells that a pause has begun
                await asyncio.sleep(0)
        assert held.code == "image_unavailable"
        assert "no/such" in held.message


async def test_what_a_user_sets_is_in_the_clusters_secret_alone(dask_site):
    async with dask_site.running() as site:
        await site.cluster(environment={"COLOUR": "deep blue"})
        await site.scale(1)
        await site.until_workers(1)
        assert "deep blue" not in json.dumps(await site.site.objects("Pod", "ConfigMap"))


async def test_more_clusters_or_workers_than_there_may_be_are_refused_with_the_numbers(dask_site):
    async with dask_site.running(max_clusters=1, max_workers=2) as site:
        await site.cluster()
        scaled = await site.scale(3)
        assert scaled.scale.count == 2
        with pytest.raises(QuotaExceededError) as refused:
            await site.cluster("c2")
        assert refused.value.facts == {"resource": "Dask clusters", "asked": "1", "used": "1", "limit": "1"}
        await site.stop()
        assert scaled.refusal.facts == {"resource": "workers", "asked": "3", "used": "0", "limit": "2"}


async def test_the_api_server_takes_the_pods_as_restricted_ones(kube_site, hollow_node):
    hollow_node.behave("dask-*", Ready())
    kube_site.data["plugins"] |= {
        "dask": {"options": {"environment": {"type": "mapping"}}},
        "quota": {"cpu": 21, "memory": "41Gi"},
    }
    async with kube_site.service() as service:
        run = await settled(await start_cluster(service, options={"environment": {"COLOUR": "blue"}}))
        assert run.record.reason is None
        scaled = await service.spawns.scale("ada", run.record.key, Scale(30))
        assert scaled.scale.count == 20
        with service.service_context.pods.subscribe() as changes:
            while len(service.service_context.pods.within(kube_site.namespace())) < 21:
                await anext(changes)
        await (await service.spawns.stop("ada", run.record.key)).until_gone()
        assert not await kube_site.objects("Pod", "Secret")


async def test_no_variable_of_a_user_is_quoted_from_what_a_scheduler_printed(kube_site, hollow_node):
    secret = 's3cr3t-of-"Ada"-Grüße-7q9Zk2Lm4Xw8'
    printed = f"{json.dumps({'token': secret})} {base64.b64encode(secret.encode()).decode()} {secret[-14:]}"
    hollow_node.behave("dask-*", Crash(1, printed))
    kube_site.data["plugins"] |= {"dask": {"options": {"environment": {"type": "mapping"}}}}
    with structlog.testing.capture_logs() as logs:
        async with kube_site.service() as service:
            run = await settled(await start_cluster(service, options={"environment": {"TOKEN": secret}}))
    assert run.record.phase is Phase.FAILED
    message = " ".join([run.record.reason.message, *(event.message for event in run.record.log.since(None)), str(logs)])
    assert "[secret]" in run.record.reason.message
    assert not any(
        piece in message
        for piece in (secret[:8], secret[-8:], "7q9Zk2Lm", base64.b64encode(secret.encode()).decode()[:12])
    )
