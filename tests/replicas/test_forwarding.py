"""Requests about a user of another replica, as callers see them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
import trustme

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.domain.names import safe_slug
from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.ports import free_ports
from spawnpenny.testing.web_server import serve_site
from tests.kit.farm import FarmPlugin

LAB = "/v1/users/ada%40example/labs/~default"


@asynccontextmanager
async def replica(site, name, published=None, cluster=None):
    """Serve a replica of a site with an address for the others; yield a client and the service."""
    settings, (port,) = site.settings, free_ports(1)
    address = f"{'https' if settings.web.certificate else 'http'}://127.0.0.1:{port}"
    settings = replace(settings, replicas=replace(settings.replicas, name=name, address=published or address))
    site = replace(site, cluster=cluster or site.cluster)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve_site(site, port=port, settings=settings))
        client = await stack.enter_async_context(server.client("hub"))
        client.end = stack.aclose
        yield client, server.service


@pytest.fixture
def site(embedded_site):
    scopes = ["read:any", "spawn:any", "delete:any"]
    embedded_site.data["tokens"] = {"hub": {"sha256": hash_token("hub-token"), "scopes": scopes}}
    return embedded_site


async def until_known(service):
    """Wait until a replica knows the record of the other one."""
    await service.membership.ownership.wait_for_other_owner(safe_slug("ada@example"))


async def events(answer):
    """Yield the data of the events of a stream."""
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def test_any_replica_answers(site):
    async with replica(site, "a") as (one, _), replica(site, "b") as (two, service):
        started = await one.put(LAB, json={"start": "s1", "env": {"SECRET": "xyzzy"}})
        assert started.status == 202
        await until_known(service)
        async with two.get(f"{LAB}/events") as stream:
            received = [event async for event in events(stream)]
        assert received[-1]["phase"] == "running"
        again = await two.put(LAB, json={"start": "s1"})
        assert (again.status, (await again.json())["phase"]) == (200, "running")
        other = await two.put(LAB, json={"start": "s2"})
        assert (other.status, (await other.json())["code"]) == (409, "start_conflict")
        listed = await (await two.get("/v1/labs")).json()
        assert [(lab["user"], lab["phase"]) for lab in listed["labs"]] == [("ada@example", "running")]
        gone = await two.delete(f"{LAB}?wait=120")
        assert gone.status == 204
        assert (await two.get(LAB)).status == 404


async def test_a_caller_without_a_token_is_refused_before_anything_is_passed_on(site):
    async with replica(site, "a") as (one, _), replica(site, "b") as (two, service):
        await one.put(LAB, json={"start": "s1"})
        await until_known(service)
        refused = await two.get(LAB, headers={"Authorization": "Bearer wrong"})
        assert refused.status == 401


async def test_a_replica_that_does_not_answer_is_reported_as_not_known_never_as_gone(site):
    async with replica(site, "a", published="http://127.0.0.1:9") as (one, _), replica(site, "b") as (two, service):
        await one.put(LAB, json={"start": "s1"})
        await until_known(service)
        answer = await two.get(LAB)
        assert (answer.status, (await answer.json())["code"]) == (503, "elsewhere")
        assert answer.headers["Retry-After"] == "1"


async def test_a_stream_breaks_with_the_replica_that_it_comes_from_and_goes_on_from_the_next(site):
    site.data["plugins"]["lab"] = {"images": {"default": "spawnpenny/shell"}}
    async with replica(site, "b") as (two, service):
        async with replica(site, "a") as (one, _):
            await one.put(LAB, json={"start": "s1"})
            await until_known(service)
            stream = await two.get(f"{LAB}/events")
            first = await anext(events(stream))
            await one.end()
            rest = [event async for event in events(stream)]
        assert first["id"] not in {event["id"] for event in rest}
        moved = service.moved.next()
        while (answer := await two.get(LAB)).status == 503:
            await moved.wait()
        assert (await answer.json())["start"] == "s1"


class Slow(FaultyCluster):
    """A cluster whose watches of records send nothing after the start."""

    async def watch(self, resource, **more):
        if resource.plural == "secrets":
            await asyncio.Event().wait()
        async for event in super().watch(resource, **more):
            yield event


async def test_a_lab_is_there_for_every_replica_as_soon_as_it_is_accepted(site):
    async with replica(site, "a") as (one, _), replica(site, "b", cluster=Slow(site.cluster)) as (two, _):
        assert (await two.get(LAB)).status == 404
        assert (await one.put(LAB, json={"start": "s1"})).status == 202
        assert (await (await two.get(LAB)).json())["start"] == "s1"
        assert len((await (await two.get("/v1/users/ada%40example/labs")).json())["labs"]) == 1
        assert (await two.delete(f"{LAB}?wait=120")).status == 204
        assert (await one.get(LAB)).status == 404


class Unrenewed(FaultyCluster):
    """A cluster that renews no Lease of a replica while ``deaf``."""

    deaf = False

    async def replace(self, manifest, resource=None):
        if self.deaf and manifest["kind"] == "Lease":
            raise UnavailableError("no answer")
        return await super().replace(manifest, resource)


async def readiness(client, status):
    """Wait until a replica is ready, or is not any more."""
    while (await client.get("/readyz")).status != status:  # noqa: ASYNC110 - polled as by a probe
        await asyncio.sleep(0.05)


async def test_a_replica_that_cannot_write_is_not_ready_and_no_start_is_lost_to_it(site, taken_over):
    site.data["replicas"] = {"lease": 4}
    cluster, ada, bob = Unrenewed(site.cluster), "/v1/users/ada/labs/~default", "/v1/users/bob/labs/~default"
    async with replica(site, "a", cluster=cluster) as (one, _), replica(site, "b") as (two, service):
        await one.put(ada, json={"start": "s1"})
        await service.membership.ownership.wait_for_other_owner("ada")
        cluster.deaf = True
        await readiness(one, 503)
        assert (await two.get("/readyz")).status == 200
        cluster.arm()
        assert (await one.put(bob, json={"start": "s1"})).status == 202  # a new user: the other one has him at once
        await taken_over(service)
        replaced = await one.put(f"{ada}?replace=true", json={"start": "s2"})
        assert (replaced.status, (await replaced.json())["start"]) == (202, "s2")
        assert (await one.delete(f"{bob}?wait=120")).status == 204
        assert cluster.calls == []
        cluster.deaf = False
        await readiness(one, 200)
        assert (await (await one.get(ada)).json())["start"] == "s2"


async def test_a_replica_that_cannot_write_and_is_alone_says_when_to_come_back(site):
    site.data["replicas"] = {"lease": 3}
    cluster = Unrenewed(site.cluster)
    async with replica(site, "a", cluster=cluster) as (one, _):
        cluster.deaf = True
        await readiness(one, 503)
        refused = await one.put(LAB, json={"start": "s1"})
        assert (refused.status, (await refused.json())["code"]) == (503, "replica_fenced")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await one.get("/healthz")).status == 200


class Broken(FaultyCluster):
    """A cluster whose next renewal of a Lease fails with an unexpected error."""

    error = None
    failed = asyncio.Event()

    async def replace(self, manifest, resource=None):
        if self.error and manifest["kind"] == "Lease":
            error, self.error = self.error, None
            self.failed.set()
            raise error
        return await super().replace(manifest, resource)


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), TypeError("nobody foresaw it"), KeyError("spec")]
)
async def test_a_renewal_that_fails_unexpectedly_is_followed_by_the_next_one(site, error):
    site.data["replicas"] = {"lease": 4}
    cluster = Broken(site.cluster)
    async with replica(site, "a", cluster=cluster) as (one, service):
        leases, lease = service.membership.leases, (site.settings.namespaces.state, "replica-a")
        cluster.error, cluster.failed = error, asyncio.Event()
        await cluster.failed.wait()
        before = leases.get(*lease)["metadata"]["resourceVersion"]
        await leases.wait_for(*lease, lambda existing: existing["metadata"]["resourceVersion"] != before)
        assert (await one.put(LAB, json={"start": "s1"})).status == 202
        assert (await one.get("/readyz")).status == 200


@pytest.mark.parametrize(("carried", "status"), [("spawnpenny.test", 200), ("another.test", 503)])
async def test_a_request_is_passed_on_only_to_who_has_the_replicas_certificate(site, tmp_path, carried, status):
    authority = trustme.CA()
    issued = authority.issue_cert(carried)
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair = str(tmp_path / "both.pem")
    site.data["web"] = {"certificate": pair, "key": pair, "authority": str(tmp_path / "ca.pem")}
    site.data["replicas"] = {"certificate_name": "spawnpenny.test"}
    async with replica(site, "a") as (one, _), replica(site, "b") as (two, service):
        await one.put(LAB, json={"start": "s1"})
        await until_known(service)
        assert (await two.get(LAB)).status == status


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"nothing", "no certificate"), (b"", "no certificate")]
)
async def test_an_authority_that_cannot_be_read_stops_the_replica(site, tmp_path, content, why):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    site.data["web"] = {"authority": str(file)}
    with pytest.raises(SettingsError, match=rf"^web\.authority: '{file}' .*\(.*{why}.*name a PEM file"):
        async with replica(site, "a"):
            pass
    assert (await site.cluster.list(resource_of("Lease"))).items == ()  # nothing has begun


async def test_an_authority_without_a_name_is_not_that_of_the_machine(site):
    site.data["web"] = {"authority": ""}
    with pytest.raises(SettingsError, match=r"^web\.authority: '' "):
        async with replica(site, "a"):
            pass


async def test_any_replica_answers_about_a_kind_of_a_plugin(site):
    site.plugins, path = {"farm": FarmPlugin}, "/v1/users/ada%40example/farms/f1"
    site.data["plugins"]["farm"] = {}
    async with replica(site, "a") as (one, _), replica(site, "b") as (two, service):
        assert (await one.put(path, json={"start": "s1", "scale": {"count": 1}})).status == 202
        await until_known(service)
        async with two.get(f"{path}/events") as stream:
            received = [event async for event in events(stream)]
        assert received[-1]["phase"] == "running"
        scaled = await two.post(f"{path}/scale", json={"count": 2})
        assert (scaled.status, (await scaled.json())["scale"]["count"]) == (200, 2)
        found = await (await two.get(path)).json()
        assert (found["start"], found["scale"]["count"]) == ("s1", 2)
        for everything in ("/v1/farms", "/v1/spawns"):
            listed = next(iter((await (await two.get(everything)).json()).values()))
            assert [(spawn["user"], spawn["name"]) for spawn in listed] == [("ada@example", "f1")]
        form = await two.get("/v1/users/ada%40example/farms/form")
        assert form.status == 200
        assert (await two.delete("/v1/users/ada%40example/spawns/farm/f1?wait=120")).status == 204
        assert (await two.get(path)).status == 404
