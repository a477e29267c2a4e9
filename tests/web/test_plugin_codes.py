"""A code of a plugin's own: in the refusal, the reason, the events and, bounded, in the metrics."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from spawnpenny.api import Event, EventType, Key, SpawnError, Step, hookimpl
from spawnpenny.web.metrics.spawns import SpawnMetrics

LAB = "/v1/users/ada/labs/~default"
REFUSAL = SpawnError("No licence is left.", advice="Try again at noon.", code="licence_refused")


class Licence(Step):
    name = "licence"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"namespace"})

    def check(self, spawn):
        if spawn.env.get("WHEN") == "at once":
            raise REFUSAL

    async def apply(self, spawn):
        raise REFUSAL

    async def revert(self, spawn):
        pass


@pytest.fixture
def site(site):
    @hookimpl
    def spawnpenny_steps():
        return [Licence()]

    site.plugins["licence"] = SimpleNamespace(spawnpenny_steps=spawnpenny_steps)
    return site


async def test_a_request_that_a_plugin_refuses_has_its_code(hub):
    response = await hub.put(LAB, json={"start": "s", "env": {"WHEN": "at once"}})
    problem = await response.json()
    assert (response.status, problem["code"]) == (502, "licence_refused")
    assert (problem["detail"], problem["advice"]) == ("No licence is left.", "Try again at noon.")


async def test_a_spawn_that_a_plugin_fails_has_its_code_in_reason_events_and_metrics(hub):
    await hub.put(LAB, json={"start": "s"})
    stream = await (await hub.get(f"{LAB}/events")).text()
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]
    assert {event["code"] for event in events if event.get("phase") == "failed"} == {"licence_refused"}
    lab = await (await hub.get(LAB)).json()
    assert lab["reason"]["code"] == "licence_refused"
    assert lab["reason"]["advice"] == "Try again at noon."
    metrics = await (await hub.get("/metrics")).text()
    assert 'spawnpenny_spawns_total{code="licence_refused",kind="lab",outcome="failed"} 1.0' in metrics


def test_a_plugin_with_ever_new_codes_does_not_make_ever_new_series():
    registry = CollectorRegistry()
    metrics = SpawnMetrics(registry)

    def fail(code):
        event = Event("1-1", EventType.PHASE, 0.0, "", phase="failed", code=code)
        metrics.spawnpenny_observe(Key("lab", "~default"), event)

    for number in range(200):
        fail(f"host_{number}")
    fail("host_0")
    fail("image_unavailable")
    counted = {
        sample.labels["code"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "spawnpenny_spawns_total"
    }
    assert len(counted) == 52
    assert (counted["host_0"], counted["other"], counted["image_unavailable"]) == (2, 150, 1)
