"""Steps that all spawns of a user share: when they run again, and when they need not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from spawnpenny.api import Step, allow, hookimpl
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import settled, start


class Notes(Step):
    """Two shared notes, as the test says."""

    name = "notes"
    kinds = frozenset({"lab"})
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"lab"})
    permissions = (allow("create", "patch", on="configmaps"),)
    text = "A"
    keys = ("a", "b")
    changes_while_applied = False

    def manifests(self, spawn):
        data = dict.fromkeys(self.keys, self.text)
        return [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
            for name in ("one", "two")
        ]

    async def apply(self, spawn):
        await super().apply(spawn)
        if self.changes_while_applied:
            self.text, self.changes_while_applied = "C", False


@pytest.fixture
def notes(site):
    step = Notes()

    @hookimpl
    def spawnpenny_steps(settings):
        return [step]

    site.plugins = {"notes": SimpleNamespace(spawnpenny_steps=spawnpenny_steps)}
    return step


async def data(site, name="two"):
    return (await site.read("ConfigMap", name))["data"]


class Refusing(FaultyCluster):
    """A cluster that refuses to patch one note, while it is told to."""

    refusing = False

    async def patch(self, ref, patch):
        if self.refusing and ref.name == "two":
            raise ClusterForbiddenError("The cluster's policy denies it.")
        return await super().patch(ref, patch)


async def test_a_step_that_failed_half_way_is_applied_again(site, notes):
    refusing = Refusing(site.cluster)
    async with replace(site, cluster=refusing).service() as service:
        await settled(await start(service, "one"))
        notes.text, refusing.refusing = "B", True
        run = await settled(await start(service, "two", replace=True))
        assert run.record.reason.code == "cluster_forbidden"
        notes.text, refusing.refusing = "A", False
        await settled(await start(service, "three"))
        assert await data(site, "one") == {"a": "A", "b": "A"}


async def test_what_changed_while_a_step_was_applied_is_applied_next_time(site, notes):
    notes.changes_while_applied = True
    async with site.service() as service:
        await settled(await start(service, "one"))
        await settled(await start(service, "two", replace=True))
        assert await data(site) == {"a": "C", "b": "C"}


async def test_a_key_that_is_no_longer_wanted_goes(site, notes):
    async with site.service() as service:
        await settled(await start(service, "one"))
        notes.keys = ("a",)
        await settled(await start(service, "two", replace=True))
        assert await data(site) == {"a": "A"}


async def test_a_step_that_cancels_itself_fails_the_spawn(site, notes):
    async def give_up(spawn):
        raise asyncio.CancelledError

    notes.apply = give_up
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "step_failed"


async def test_another_account_reaches_a_namespace_that_is_there(site):
    async with site.service() as service:
        await settled(await start(service, "one"))
    site.data["broker"] = {"account": "another"}
    async with site.service() as service:
        await settled(await start(service, "two", replace=True))
    binding = await site.read("RoleBinding", "spawnpenny-tenant.spawnpenny.another")
    assert [subject["name"] for subject in binding["subjects"]] == ["another"]
