"""A plugin as a site would write it: a step between two of ours, ordered, scoped, undone and listed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import structlog

from spawnpenny.api import Step, UnknownOptionError, allow, hookimpl
from spawnpenny.domain.spawns import Phase
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.testing.site import settled, start, stop


class Licence(Step):
    """A licence file for each lab, between its Secret and its pod."""

    name = "licence"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"lab.secret"})
    before = frozenset({"lab.pod"})
    permissions = (allow("create", "get", "delete", on="configmaps"),)

    def manifests(self, spawn):
        name = f"{spawn.names.base}-licence"
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"licence": spawn.id}}]

    async def revert(self, spawn):
        await spawn.cluster.discard("ConfigMap", f"{spawn.names.base}-licence")


class Greedy(Licence):
    """It uses what it does not declare."""

    permissions = ()


def plugin(step):
    @hookimpl
    def spawnpenny_steps(settings):
        return [step]

    return {"licences": SimpleNamespace(spawnpenny_steps=spawnpenny_steps)}


@pytest.fixture
def licensed(site):
    site.plugins = plugin(Licence())
    return site


async def test_its_step_stands_where_it_says_and_is_listed(licensed):
    pipeline = load_plugins(licensed.settings, extra=licensed.plugins).pipelines["lab"]
    names = [step.name for step in pipeline.steps]
    assert names.index("lab.secret") < names.index("licence") < names.index("lab.pod")
    assert {"needs lab.secret", "quota says before licence"} <= set(pipeline.why("licence"))
    assert "licence says before lab.pod" in pipeline.why("lab.pod")


async def test_what_it_makes_is_marked_and_goes_with_the_spawn(licensed):
    async with licensed.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        assert "ConfigMap/lab-licence" in await licensed.objects(spawn=run.record.id)
        await stop(service)
        assert "ConfigMap/lab-licence" not in await licensed.objects()


async def test_it_is_undone_when_a_later_step_fails(licensed):
    licensed.data["pods"] = {"images": ["nothing/*"]}
    async with licensed.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "pod_not_hardened"
        states = {step.name: step.state for step in run.record.steps}
        assert (states["licence"], states["lab.pod"]) == ("reverted", "reverted")
        assert await licensed.objects(spawn=run.record.id) == {}


async def test_a_call_that_it_did_not_declare_is_refused_before_it_is_made(site):
    site.plugins = plugin(Greedy())
    with structlog.testing.capture_logs() as logs:
        async with site.service() as service:
            run = await settled(await start(service))
    assert run.record.reason.code == "step_failed"
    assert run.record.id in run.record.reason.message
    assert any("allow('create', on='configmaps')" in line.get("error", "") for line in logs)
    assert "ConfigMap/lab-licence" not in await site.objects()


async def test_an_unknown_option_is_refused_before_anything_is_made(site):
    async with site.service() as service:
        with pytest.raises(UnknownOptionError) as refused:
            await start(service, options={"size": "smal"})
        assert refused.value.facts["errors"][0]["field"] == "options.size"
        assert "'small'" in refused.value.message
        assert service.spawns.user_state("ada") is None
