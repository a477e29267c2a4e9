"""The page on metrics lists those that there are, and alerts on no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from spawnpenny.aio.connections import Connections
from spawnpenny.broker.metrics import broker_metrics
from spawnpenny.domain.spawns import Phase
from spawnpenny.settings.sections import LimitSettings
from spawnpenny.testing.site import settled, start
from spawnpenny.web.labs import lab_gauges
from spawnpenny.web.metrics.kinds import kind_gauges
from spawnpenny.web.metrics.plugin_gauges import plugin_gauges
from spawnpenny.web.metrics.registry import Metrics
from spawnpenny.web.middleware.rate_limit import Limits

PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()


def documented():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE)
    return {name: (type_, set(re.findall(r"`(\w+)`", labels))) for name, type_, labels in rows}


def alerts():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]


@pytest.fixture
async def families(embedded_site):
    """Return the metrics of a service in which a lab came to run."""
    metrics = Metrics()
    embedded_site.data["plugins"]["dask"] = {}
    async with embedded_site.service() as service:
        metrics.export_gauges(service, Limits(LimitSettings()), Connections(), kind_gauges, lab_gauges, plugin_gauges)
        async with metrics.observing(service.plugins):
            await settled(await start(service))
        return list(metrics.collect())


async def of_a_broker(site):
    """Return the types of the metrics of a broker, by their names."""
    async with site.broker() as server:
        metrics = broker_metrics(server, Connections()).collect()
        return {f"{metric.name}_total" if metric.type == "counter" else metric.name: metric.type for metric in metrics}


async def test_each_metric_is_documented_with_its_type_and_no_other(families, embedded_site):
    existing = {f"{family.name}_total" if family.type == "counter" else family.name: family.type for family in families}
    theirs = await of_a_broker(embedded_site)
    assert {name: existing[name] for name in theirs.keys() & existing.keys()}.items() <= theirs.items()
    existing |= theirs
    assert {name: type_ for name, (type_, _) in documented().items()} == existing


async def test_the_labels_of_each_metric_are_documented(families):
    table = documented()
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == table[name][1], name
    assert {family.name for family in families if family.samples} > {"spawnpenny_spawns", "spawnpenny_step_seconds"}


def test_the_alerts_are_about_metrics_and_labels_that_there_are():
    table = documented()
    for rule in alerts():
        names = re.findall(r"\b((?:spawnpenny|process)_\w+)", rule["expr"])
        assert names, rule["alert"]
        for name in names:
            assert re.sub(r"_(bucket|sum|count)\Z", "", name) in table, rule["alert"]
        for name, selector in re.findall(r"(\w+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)=", selector)) <= table[name][1], rule["alert"]


def test_the_phases_of_labs_that_alerts_name_are_phases():
    named = {
        name
        for rule in alerts()
        for value in re.findall(r'outcome=~?"([^"]*)"', rule["expr"])
        for name in value.split("|")
    }
    codes = {name for name in named if "_" in name}
    assert named - codes <= {*Phase, "gone"}
