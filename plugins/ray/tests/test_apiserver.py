"""Ray clusters on the real API server, with hollow nodes: what its policies and quotas take, and what is left."""

from __future__ import annotations

import asyncio
import secrets
import socket

import pytest
from aiohttp import web

from spawnpenny.api import Key, Phase, Scale
from spawnpenny.testing.behaviours import Crash, Ready
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import SpawnRequest
from spawnpenny.testing.site import HUB, settled, start
from spawnpenny.testing.web_server import serve_site, token_settings

RAY = Key("ray", "r1")


@pytest.fixture
async def heads(hollow_node):
    """Have heads that answer as Ray does for the pods of the hollow node, which become ready at once."""
    address = "127." + ".".join(str(1 + secrets.randbelow(250)) for _ in range(3))
    app = web.Application()

    def node_of(pod):
        return {"node_ip": pod["status"]["podIP"], "node_id": pod["metadata"]["uid"]}

    async def nodes(request):
        assert request.headers["Authorization"].startswith("Bearer ")
        pods = [pod for pod in hollow_node.pods() if pod.get("status", {}).get("podIP")]
        return web.json_response({"data": {"result": {"result": [node_of(pod) for pod in pods]}}})

    async def none(request):
        return web.json_response({"data": {"result": {"result": []}}})

    async def status(request):
        load = {"usageByNode": {}, "resourceDemand": [], "pgDemand": []}
        return web.json_response({"data": {"clusterStatus": {"loadMetricsReport": load}}})

    app.add_routes([web.get("/api/v0/nodes", nodes), web.get("/api/cluster_status", status)])
    app.add_routes([web.get("/api/v0/actors", none), web.get("/api/v0/tasks", none)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, socket.create_server((address, 8265))).start()
    hollow_node.give_addresses(lambda pod: address if pod["metadata"]["name"] == "ray-r1" else None)
    hollow_node.behave("ray-*", Ready())
    yield address
    await runner.cleanup()


async def start_ray(service, **more):
    return (await service.spawns.start("ada", RAY, SpawnRequest("s1", **more), identity=HUB)).run


async def until_pods(service, site, count):
    """Wait until the user has so many pods."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while len(service.service_context.pods.within(site.namespace())) != count:
                await anext(changes)


async def test_it_starts_scales_and_stops_and_leaves_the_token_for_the_next_one(kube_site, heads):
    kube_site.data["plugins"] |= {"ray": {"head": {"cores": 1, "memory": "2Gi"}}, "quota": {"cpu": 6, "memory": "16Gi"}}
    async with kube_site.service() as service:
        run = await settled(await start_ray(service))
        assert (run.record.phase, run.record.reason) == (Phase.RUNNING, None)
        assert run.record.url == f"ray://spawnpenny-ray.{kube_site.namespace()}.svc:10001"
        scaled = await service.spawns.scale("ada", RAY, Scale(9))
        assert scaled.scale.count == 5
        assert scaled.refusal.facts == {"resource": "cpu", "asked": "10", "used": "0", "limit": "6"}
        await until_pods(service, kube_site, 6)
        await service.spawns.scale("ada", RAY, Scale(2))
        await until_pods(service, kube_site, 3)
    async with kube_site.service() as service:
        await service.spawns.scale("ada", RAY, Scale(3))
        await until_pods(service, kube_site, 4)
        await (await service.spawns.stop("ada", RAY)).until_gone()
        left = await kube_site.objects("Pod", "Secret", "Service")
        assert left.keys() == {"Secret/spawnpenny-ray", "Service/spawnpenny-ray"}
        again = await settled(await start_ray(service))
        assert again.record.phase is Phase.RUNNING, again.record.reason
        kept = await kube_site.objects("Secret")
        assert kept["Secret/spawnpenny-ray"]["data"] == left["Secret/spawnpenny-ray"]["data"]


async def test_a_lab_mounts_the_token_before_there_is_a_cluster(kube_site, hollow_node):
    kube_site.data["plugins"]["ray"] = {}
    hollow_node.behave("lab", Ready())
    async with kube_site.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        (pod,) = (await kube_site.objects("Pod")).values()
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["spawnpenny-ray"]["secret"]["secretName"] == "spawnpenny-ray"
        assert "Secret/spawnpenny-ray" in await kube_site.objects("Secret")


async def test_a_failed_start_is_undone(kube_site, hollow_node):
    kube_site.data["plugins"]["ray"] = {}
    hollow_node.behave("ray-*", Crash(1, "out of licences"))
    async with kube_site.service() as service:
        run = await settled(await start_ray(service))
        assert run.record.phase is Phase.FAILED
        assert "out of licences" in run.record.reason.message
        assert not await kube_site.objects("Pod")


async def test_its_user_starts_scales_and_stops_it_over_http_and_another_user_sees_nothing(kube_site, heads):
    kube_site.data["plugins"]["ray"] = {}
    kube_site.data["tokens"] = token_settings({user: (("read:self", "spawn:self"), user) for user in ("ada", "bob")})
    path = "/v1/users/ada/rays/r1"
    async with serve_site(kube_site) as server, server.client("ada") as ada, server.client("bob") as bob:
        started = await ada.put(path, json={"start": "s1", "scale": {"count": 1}})
        assert started.status == 202, await started.text()
        async with asyncio.timeout(PATIENCE):
            assert "ray.head: done" in await (await ada.get(f"{path}/events")).text()
        await until_pods(server.service, kube_site, 2)
        scaled = await (await ada.post(f"{path}/scale", json={"count": 2})).json()
        assert (scaled["ok"], scaled["scale"]["count"]) == (True, 2)
        await until_pods(server.service, kube_site, 3)
        refusals = {
            (await bob.get(path)).status,
            (await bob.post(f"{path}/scale", json={"count": 0})).status,
            (await bob.delete(path)).status,
            (await bob.get("/v1/users/ada/rays")).status,
        }
        assert refusals == {403}
        second = await ada.put("/v1/users/ada/rays/r2", json={"start": "s2"})
        assert ((await second.json())["asked"], (await second.json())["limit"]) == ("1", "1")
        unknown = await ada.put("/v1/users/ada/rays/r3", json={"start": "s3", "options": {"cores": 4}})
        assert (await unknown.json())["code"] == "option_unknown"
        assert (await ada.delete(path, params={"wait": "60"})).status == 204
