"""The gateway through a restart, and with several replicas: no client gives a cluster up for it."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest

from spawnpenny.api import Authenticator, Identity, NotReadyError, hookimpl, safe_slug
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.ports import free_ports

CLUSTERS = "/gateway/api/v1/clusters/"


async def test_a_waiting_client_learns_how_far_it_is_when_the_service_ends_and_goes_on_with_the_next(site, serving):
    (port,) = free_ports(1)
    async with serving(site, "a", port) as server:
        gateway = server.gateway()
        name = await gateway.submit(image="slow")
        client = server.client("ada")
        held = asyncio.create_task(client.get(f"{CLUSTERS}{name}?wait"))
        run = next(iter(server.service.spawns.user_state("ada").runs.values()))
        async with asyncio.timeout(PATIENCE):
            while not run.bell.next()._waiters:  # noqa: ASYNC110 - nothing else tells that a request is held
                await asyncio.sleep(0)
    answer = await held
    assert (answer.status, (await answer.json())["status"]) == (200, "PENDING")
    async with serving(site, "a", port):
        assert (await gateway.get_cluster(name)).name == name
        await gateway.stop_cluster(name)
        await client.close()
    await gateway._cleanup()


async def test_a_service_that_does_not_know_yet_lets_the_client_wait(server, gateway):
    name = await gateway.submit()
    service = server.service
    service.spawns.ready = False
    with pytest.raises(NotReadyError):
        service.spawns.user_state("ada")
    waiting = asyncio.create_task(gateway.get_cluster(name))
    async with server.client("ada") as ada:
        assert (await ada.get("/v1/users/ada/dask")).status == 503
    assert not waiting.done()
    service.set_ready()
    service.moved.ring()
    assert (await asyncio.wait_for(waiting, PATIENCE)).name == name


class Named(Authenticator):
    """Believes a header of the site's own, and a session's cookie."""

    async def authenticate(self, credentials):
        named = credentials.headers.get("X-Site-User")
        if credentials.headers.get("Cookie") != f"session={named}":
            return None
        return Identity("named", frozenset({"spawn:self"}), username=named)


async def test_what_an_authenticator_reads_is_passed_on_and_what_is_of_the_connection_is_not(site, serving):
    hook = hookimpl(lambda settings: [Named()])
    site.plugins = {**site.plugins, "named": SimpleNamespace(spawnpenny_authenticators=hook)}
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(site, name, port))
            for name, port in zip("ab", free_ports(2), strict=True)
        ]
        gateway = await stack.enter_async_context(one.gateway())
        name = await gateway.submit()
        await two.service.membership.ownership.wait_for_other_owner(safe_slug("ada"))
        sent = (
            f"GET {CLUSTERS}{name} HTTP/1.1\r\nHost: x\r\nX-Site-User: ada\r\nCookie: session=ada\r\n".encode()
            + b"Accept: \xff\r\nContent-Length: 0\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", two.port)
        writer.write(sent)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 200 "), body
        assert f'"name": "{name}"'.encode() in body
        await gateway.stop_cluster(name)


@pytest.mark.parametrize("method", ["DELETE", "GET"])
async def test_a_body_that_nobody_takes_is_not_waited_for_by_a_replica_that_passes_on(site, serving, method):
    site.data["deadlines"] = {"body": 60}
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(site, name, port))
            for name, port in zip("ab", free_ports(2), strict=True)
        ]
        gateway = await stack.enter_async_context(one.gateway())
        name = await gateway.submit()
        await two.service.membership.ownership.wait_for_other_owner(safe_slug("ada"))
        head = f"{method} {CLUSTERS}{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada-token\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", two.port)
        writer.write(f"{head}Content-Length: 9\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).split()[1] in {b"200", b"204"}
        writer.transport.abort()
        await gateway.stop_cluster(name)


async def test_any_replica_answers(site, serving):
    site.data["gateway"] = {"public_address": "https://dask.example.org"}
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(site, name, port))
            for name, port in zip("ab", free_ports(2), strict=True)
        ]
        first, second = [await stack.enter_async_context(replica.gateway()) for replica in (one, two)]
        proxy = await stack.enter_async_context(two.client("proxy"))
        name = await first.submit()
        await two.service.membership.ownership.wait_for_other_owner(safe_slug("ada"))
        report = await second._wait_for_start(name)
        assert report.security is not None
        await second.scale_cluster(name, 2)
        assert next(iter(one.service.spawns.user_state("ada").runs.values())).record.scale.count == 2
        ticket = report.dashboard_link.split("/")[-2]
        redeemed = await proxy.post(f"/v1/users/ada/dask/{name}/ticket", json={"ticket": ticket})
        assert redeemed.status == 200
        other = await second.submit()
        assert {cluster.name for cluster in await first.list_clusters()} == {name, other}
        await second.stop_cluster(name)
        await second.stop_cluster(other)


async def test_any_replica_lists_all_clusters_and_each_counts_its_own(site, serving):
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(serving(site, name, port))
            for name, port in zip("ab", free_ports(2), strict=True)
        ]
        first, second = [
            await stack.enter_async_context(replica.gateway(who)) for replica, who in ((one, "ada"), (two, "bob"))
        ]
        names = [await first.submit(), await second.submit()]
        await first._wait_for_start(names[0])
        await second._wait_for_start(names[1])
        await first.scale_cluster(names[0], 1)
        hubs = [await stack.enter_async_context(replica.client("hub")) for replica in (one, two)]
        desired = [("ada", names[0], "running", 1), ("bob", names[1], "running", 0)]
        for hub in hubs:
            async with asyncio.timeout(PATIENCE):
                while await listed(hub) != desired:
                    pass
            page = await (await hub.get("/v1/dask?limit=1")).json()
            rest = await (await hub.get("/v1/dask", params={"after": page["next"]})).json()
            assert [cluster["user"] for cluster in (*page["clusters"], *rest["clusters"])] == ["ada", "bob"]
            assert not (await (await hub.get("/v1/dask?status=failed")).json())["clusters"]
        counts = [await running(hub) for hub in hubs]
        assert sum(clusters for clusters, _ in counts) == 2
        assert sum(workers for _, workers in counts) == 1


async def listed(hub):
    clusters = (await (await hub.get("/v1/dask")).json())["clusters"]
    return [
        (cluster["user"], cluster["cluster"], cluster["phase"], cluster["workers"]["running"]) for cluster in clusters
    ]


async def running(hub):
    """Return how many clusters and workers a replica counts as running."""
    text = await (await hub.get("/metrics")).text()
    found = [
        re.search(rf'^spawnpenny_dask_{what}{{phase="running"}} (\S+)$', text, re.MULTILINE)
        for what in ("clusters", "workers")
    ]
    return [float(match[1]) for match in found]


async def test_a_replica_that_goes_on_with_a_user_answers_who_waits_at_it(site, serving):
    site.data["replicas"] = {"lease": 4}
    async with serving(site, "b", *free_ports(1)) as two, two.gateway() as second:
        async with serving(site, "a", *free_ports(1)) as one, one.gateway() as first:
            name = await first.submit()
            await two.service.membership.ownership.wait_for_other_owner(safe_slug("ada"))
            await first._wait_for_start(name)
        report = await asyncio.wait_for(second.get_cluster(name), PATIENCE)
        assert report.security is not None
