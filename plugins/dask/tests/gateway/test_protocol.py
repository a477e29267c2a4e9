"""The protocol as dask-gateway's own client speaks it."""

from __future__ import annotations

import asyncio
import re

import pytest
from dask_gateway import GatewayClusterError
from dask_gateway.client import ClusterStatus, GatewayWarning

from spawnpenny.api import Key
from spawnpenny.testing.patience import PATIENCE

CLUSTERS = "/gateway/api/v1/clusters/"
REPORT = {"name", "status", "start_time", "stop_time", "options", "dashboard_route", "tls_cert", "tls_key"}


async def running(gateway, **options):
    """Start a cluster, and return its name once it runs."""
    name = await gateway.submit(**options)
    await gateway._wait_for_start(name)
    return name


def run_of(server, name, user="ada"):
    return server.service.spawns.find(user, Key("dask", name))


async def test_the_client_offers_the_options_and_holds_its_user_to_them(gateway):
    options = await gateway.cluster_options()
    assert dict(options) == {
        "worker_cores": 1,
        "worker_memory": 1,
        "image": "small",
        "queue": "short",
        "gpu": False,
        "environment": {},
    }
    for name, wrong in {"worker_cores": 3, "worker_memory": 0.1, "queue": "nope", "gpu": "x"}.items():
        with pytest.raises((ValueError, TypeError)):
            options[name] = wrong
    options.worker_cores = 2
    report = await gateway.get_cluster(await gateway.submit(options))
    assert report.options["worker_cores"] == 2


async def test_a_cluster_from_its_start_to_its_end(server, gateway):
    assert (await gateway.get_versions())["server"]["version"]
    name = await gateway.submit(environment={"A": "s3cret"})
    assert re.fullmatch(r"[a-z][0-9a-z]{1,50}", name)
    await gateway._wait_for_start(name)
    report = await gateway.get_cluster(name)
    assert report.status is ClusterStatus.RUNNING
    assert "environment" not in report.options
    assert report.security.get_connection_args("client")["ssl_context"].get_ca_certs()
    (listed,) = await gateway.list_clusters()
    assert (listed.name, listed.security, listed.dashboard_link) == (name, None, None)
    run = run_of(server, name)
    await gateway.stop_cluster(name)
    await run.until_gone()
    assert await gateway.list_clusters() == []
    await gateway.stop_cluster(name)
    with pytest.raises(ValueError, match=f"Cluster {name} not found"):
        await gateway.get_cluster(name)


async def test_a_report_has_no_key_more_and_each_one_a_certificate_of_its_own(server, gateway, caller, options):
    name, ada = await running(gateway), await caller("ada")
    one, two = [await (await ada.get(f"{CLUSTERS}{name}")).json() for _ in range(2)]
    assert one.keys() == REPORT
    assert one["status"] == "RUNNING"
    assert (type(one["start_time"]), one["stop_time"], one["dashboard_route"]) == (int, None, None)
    assert one["options"].keys() == {option.name for option in options if not option.secret}
    ours = await (await ada.get(f"{CLUSTERS}{name}?facts=1")).json()
    assert ours.keys() == REPORT | {"facts"}
    assert ours["facts"] == {"scheduler": run_of(server, name).record.url, "workers": {"running": 0, "pending": 0}}
    assert one["tls_key"] != two["tls_key"]
    assert one["tls_cert"].count("BEGIN CERTIFICATE") == 2
    assert run_of(server, name).record.secrets["authority"] not in str(one)
    listed = await ada.get(CLUSTERS)
    assert (await listed.json())[name].keys() == REPORT
    assert "PRIVATE KEY" not in await listed.text()


async def test_the_options_of_a_report_start_another_cluster_like_it(gateway):
    first = await running(gateway, worker_cores=2, queue="long", environment={"A": "1"})
    (listed,), report = await gateway.list_clusters(), await gateway.get_cluster(first)
    assert listed.options == report.options
    facts = {"scheduler": "tls://10.0.0.1:8786", "workers": {"running": 1, "pending": 0}}  # as older reports had them
    for sent in (report.options, {**report.options, **facts}, {**report.options, "image": None, "gpu": None}):
        again = await gateway.submit(**sent)
        assert (await gateway.get_cluster(again)).options == report.options
        await gateway.stop_cluster(again)
    with pytest.raises(ValueError, match="no cluster option 'queues'"):
        await gateway.submit(**report.options, queues=None)


async def test_a_failed_start_is_reported_to_the_waiting_client_and_stays_to_be_read(server, gateway):
    name = await gateway.submit(image="no/such")
    with pytest.raises(GatewayClusterError, match=r"image no/such cannot be pulled.*Choose another image"):
        await gateway._wait_for_start(name)
    await gateway.stop_cluster(name)  # as the client does of what has failed
    run = run_of(server, name)
    async for _ in run.events():
        pass
    assert (await gateway.get_cluster(name)).status is ClusterStatus.FAILED
    assert await gateway.list_clusters() == []
    (failed,) = await gateway.list_clusters(status=["failed", "stopped"])
    assert failed.stop_time >= failed.start_time
    with pytest.raises(GatewayClusterError, match=r"cannot be pulled"):
        await gateway.scale_cluster(name, 1)


async def test_what_ended_by_itself_is_stopped_and_says_why(server, gateway, flock):
    name = await running(gateway)
    flock.over.set()
    run = run_of(server, name)
    while not run.record.phase.over:
        await run.bell.next().wait()
    with pytest.raises(GatewayClusterError, match=r"Nothing ran on it for an hour"):
        await gateway._wait_for_start(name)
    (stopped,) = await gateway.list_clusters(status="stopped")
    assert (stopped.name, stopped.status) == (name, ClusterStatus.STOPPED)


async def test_what_does_not_fit_is_cut_and_reported_with_the_numbers(server, gateway):
    name = await running(gateway)
    with pytest.warns(GatewayWarning, match=r"asked 100, in use 0, limit 6.*Scaling to 5 instead"):
        await gateway.scale_cluster(name, 99)
    scale = run_of(server, name).record.scale
    assert (scale.count, scale.adaptive) == (5, False)
    await gateway.scale_cluster(name, 1)
    await gateway.adapt_cluster(name, minimum=2, maximum=4)
    scale = run_of(server, name).record.scale
    assert (scale.count, scale.minimum, scale.maximum, scale.adaptive) == (2, 2, 4, True)
    with pytest.warns(GatewayWarning, match="limit 6.*Using `maximum=None, minimum=5` instead"):
        await gateway.adapt_cluster(name, minimum=40)
    for bounds, maximum, minimum in (((None, 9), 5, 0), ((7, 9), 5, 5)):
        with pytest.warns(GatewayWarning, match=rf"limit 6.*Using `maximum={maximum}, minimum={minimum}` instead"):
            await gateway.adapt_cluster(name, *bounds)
    await gateway.adapt_cluster(name, minimum=1, maximum=5)
    await gateway.adapt_cluster(name, active=False)
    scale = run_of(server, name).record.scale
    assert (scale.count, scale.adaptive) == (5, False)


async def test_the_quotas_numbers_are_in_the_clients_error(gateway):
    await running(gateway)
    await gateway.scale_cluster((await gateway.list_clusters())[0].name, 5)
    with pytest.raises(GatewayClusterError, match=r"asked 1, in use 6, limit 6\. Stop something"):
        await gateway.submit()


async def test_a_cluster_on_its_way_is_scaled_already(server, gateway):
    name = await gateway.submit(image="slow")
    await gateway.scale_cluster(name, 2)
    assert (await gateway.get_cluster(name)).status is ClusterStatus.PENDING
    assert run_of(server, name).record.scale.count == 2


async def test_a_waiting_spawn_learns_at_once_that_it_is_stopped(gateway):
    name = await gateway.submit(image="slow")
    waiting = asyncio.create_task(gateway._wait_for_start(name))
    await asyncio.sleep(0)
    await gateway.stop_cluster(name)
    with pytest.raises((GatewayClusterError, ValueError), match=r"being stopped|not found"):
        await asyncio.wait_for(waiting, PATIENCE)


async def test_more_starts_than_there_may_be_are_refused_with_a_sentence(site, serving):
    site.data["limits"] = {"starts": 1}
    async with serving(site) as server, server.gateway() as gateway:
        await gateway.submit()
        with pytest.raises(GatewayClusterError, match="1 starts within a minute"):
            await gateway.submit()


async def test_nobody_reaches_anothers_cluster(server, gateway):
    name = await running(gateway)
    async with server.gateway("bob") as bob:
        assert await bob.list_clusters() == []
        for attempt in (bob.get_cluster(name), bob.scale_cluster(name, 2), bob.adapt_cluster(name)):
            with pytest.raises(ValueError, match=f"Cluster {name} not found"):
                await attempt
        await bob.stop_cluster(name)
    assert run_of(server, name).record.phase == "running"
