"""What the service counts and times, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64encode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spawnpenny.admin.doctor.deployment import Deployment
from spawnpenny.admin.doctor.service import check_service
from spawnpenny.domain import labels
from spawnpenny.kubernetes.calls import Call
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.metrics.registry import Metrics

LAB = "/v1/users/ada/labs/~default"


def read(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
async def server(site, serving):
    """Serve with a clock by which no two looks at the metrics are within one second."""
    async with serving(site, metrics=Metrics(clock=itertools.count().__next__)) as server:
        yield server


@pytest.fixture
async def scrape(caller):
    anybody = await caller()

    async def scrape():
        response = await anybody.get("/metrics")
        assert (response.status, response.content_type) == (200, "text/plain")
        return read(await response.text())

    return scrape


async def run(hub, **body):
    """Start a lab, and wait until it is settled."""
    await hub.put(LAB, json={"start": "s", **body})
    await (await hub.get(f"{LAB}/events")).text()


async def test_a_lab_that_runs_is_counted_with_its_steps(hub, scrape):
    await run(hub)
    seen = await scrape()
    assert seen["spawnpenny_spawns_total", "", "lab", "running"] == 1
    assert seen["spawnpenny_spawn_seconds_count", "lab"] == 1
    assert seen["spawnpenny_step_seconds_count", "done", "lab.pod"] == 1
    assert seen["spawnpenny_step_seconds_sum", "done", "lab.pod"] > 0
    assert (seen["spawnpenny_labs", "running"], seen["spawnpenny_labs", "failed"]) == (1, 0)
    assert (seen["spawnpenny_users",], seen["spawnpenny_ready",]) == (1, 1)
    assert (seen["spawnpenny_spawns_under_way",], seen["spawnpenny_spawns_waiting",]) == (0, 0)


async def test_a_lab_that_fails_is_counted_by_the_code_of_its_reason(hub, scrape):
    await run(hub, options={"image": "none"})
    seen = await scrape()
    assert seen["spawnpenny_spawns_total", "failed", "image_unavailable", "lab"] == 1
    assert seen["spawnpenny_step_seconds_count", "failed", "lab.pod"] == 1
    assert ("spawnpenny_spawn_seconds_count", "lab") not in seen


async def test_a_lab_that_is_stopped_is_counted_as_gone(hub, scrape):
    await run(hub)
    await hub.delete(LAB, params={"wait": 30})
    assert (await scrape())["spawnpenny_spawns_total", "", "gone", "lab"] == 1


async def test_requests_are_counted_by_route_and_no_user_is_named(hub, scrape):
    await run(hub)
    await hub.get(LAB)
    await hub.get("/v1/users/ada/labs/other")
    await hub.request("PURGE", "/v1/coffee")
    seen = await scrape()
    assert seen["spawnpenny_http_requests_total", "202", "PUT", "lab.start"] == 1
    assert seen["spawnpenny_http_requests_total", "200", "GET", "lab.get"] == 1
    assert seen["spawnpenny_http_requests_total", "404", "GET", "lab.get"] == 1
    assert seen["spawnpenny_http_requests_total", "404", "none", "other"] == 1
    assert seen["spawnpenny_http_request_seconds_count", "PUT", "lab.start"] == 1
    assert [key for key in seen if {"ada", "~default", "other-lab"} & set(key)] == []


async def test_open_streams_are_counted_while_they_are_open(hub, scrape, server):
    await hub.put(LAB, json={"start": "s", "options": {"image": "slow"}})
    async with hub.get(f"{LAB}/events") as stream:
        await stream.content.readline()
        assert (await scrape())["spawnpenny_event_streams_open",] == 1
        await hub.delete(LAB)
        await stream.read()
    seen = await scrape()
    assert seen["spawnpenny_event_streams_open",] == 0
    assert seen["spawnpenny_http_requests_total", "200", "GET", "lab.events"] == 1
    assert ("spawnpenny_http_request_seconds_count", "GET", "lab.events") not in seen  # it took as long as the lab


async def test_informers_and_the_broker_have_metrics(hub, scrape):
    await run(hub)
    seen = await scrape()
    assert seen["spawnpenny_informer_synced", "pods"] == 1
    assert 0 <= seen["spawnpenny_informer_staleness_seconds", "namespaces"] < 60
    assert seen["spawnpenny_broker_claims_total", "claim", "ok"] == 1
    assert seen["spawnpenny_broker_claim_seconds_count", "claim"] == 1


async def test_what_the_broker_cannot_do_is_counted_by_its_code(site, serving, tmp_path):
    orders = tmp_path / "orders.yaml"
    orders.write_text("commission: [{name: fails, image: spawnpenny/lab, command: ['false']}]")
    site.data["broker"] = {"orders": str(orders)}
    async with serving(site) as server, server.client("hub") as hub:
        await hub.put("/v1/users/ada", json={"uid": 1234})
        await (await hub.get("/v1/users/ada/events")).text()
        seen = read(await (await hub.get("/metrics")).text())
    assert seen["spawnpenny_broker_claims_total", "provision", "provision_failed"] == 1
    assert seen["spawnpenny_spawns_total", "failed", "provision_failed", "user"] == 1


async def test_where_they_are_switched_off_there_is_no_such_route(site, serving):
    site.data["web"] = {"metrics": False}
    async with serving(site) as server, server.client() as anybody:
        assert (await anybody.get("/metrics")).status == 404
        assert "/metrics" not in (await (await anybody.get("/openapi.json")).json())["paths"]


async def test_two_applications_count_apart(site, serving):
    async with serving(site) as one, serving(site) as other, one.client() as first, other.client() as second:
        await first.get("/healthz")
        key = ("spawnpenny_http_requests_total", "200", "GET", "service.healthz")
        assert key in read(await (await first.get("/metrics")).text())
        assert key not in read(await (await second.get("/metrics")).text())


async def test_calls_to_kubernetes_are_counted_with_their_outcome(apiserver):
    metrics = Metrics()
    kubeconfig = str(apiserver.kubeconfig)
    async with await KubernetesCluster.connect(kubeconfig, meter=metrics.calls) as cluster:
        await cluster.read(Ref(resource_of("Pod"), "absent", "default"))
        await cluster.list(resource_of("Pod"), namespace="default")
    seen = read(metrics.text().decode())
    assert seen["spawnpenny_cluster_calls_total", "cluster_not_found", "get", "pods"] == 1
    assert seen["spawnpenny_cluster_calls_total", "list", "ok", "pods"] == 1
    assert seen["spawnpenny_cluster_call_seconds_count", "list", "pods"] == 1


def test_the_tries_after_the_first_are_counted():
    metrics = Metrics()
    call = Call("get", resource_of("Pod"), "ns", "p", "log")
    metrics.calls.called(call, outcome="ok", seconds=0.1, retries=2)
    assert read(metrics.text().decode())["spawnpenny_cluster_retries_total", "get", "pods/log"] == 2


async def test_how_late_the_event_loop_is_is_measured(hub, scrape):
    async with asyncio.timeout(PATIENCE):
        while not (await scrape())["spawnpenny_event_loop_lag_seconds_count",]:
            await hub.get("/healthz")


def test_they_are_written_once_a_second():
    seconds = iter([10.0, 10.9, 11.0])
    metrics = Metrics(clock=lambda: next(seconds))
    first = metrics.text()
    metrics.requests.count("lab.get", "GET", 200, 0.1)
    again, later = metrics.text(), metrics.text()
    assert first is again
    assert ("spawnpenny_http_requests_total", "200", "GET", "lab.get") in read(later.decode())


async def test_what_cannot_be_understood_is_counted_and_reported_until_it_is_gone(hub, scrape, site, server):
    """By the metrics, by /readyz and by the doctor; the names are for the log alone."""
    state, mine = site.settings.namespaces.state, labels.ours(site.settings.installation)
    bad = [
        {"apiVersion": "v1", "kind": "Secret", "data": {"record": b64encode(b"{}").decode()}},
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
    ]
    assert await (await hub.get("/readyz")).json() == {"status": "ready"}
    for manifest, (kind, name) in zip(bad, [("record", "user-eve"), ("replica", "replica-odd")], strict=True):
        manifest["metadata"] = {"name": name, "namespace": state, "labels": {**mine, labels.KIND: kind}}
        await site.cluster.create(manifest)
    await until(hub, {"status": "ready", "skipped": {"record": 1, "lease": 1}})
    seen = await scrape()
    assert seen["spawnpenny_records_refused",] == 1
    assert seen["spawnpenny_items_unreadable", "lease"] == 1
    assert seen["spawnpenny_items_skipped_total", "lease"] >= 1
    deployment = Deployment(
        site.settings, server.app[SERVICE].plugins, site.cluster, "v1.31.0", None, f"http://127.0.0.1:{server.port}"
    )
    (found,) = await check_service(deployment)
    assert found.level == "warning"
    assert "1 of the kind lease, 1 of the kind record" in found.says
    for manifest in bad:
        await site.cluster.delete(Ref.of(manifest))
    await until(hub, {"status": "ready"})
    assert (await scrape())["spawnpenny_items_unreadable", "lease"] == 0


async def until(client, expected):
    async with asyncio.timeout(PATIENCE):
        while await (await client.get("/readyz")).json() != expected:  # noqa: ASYNC110 - it is asked as a probe does
            await asyncio.sleep(0.02)
