"""The quota plugin, on a whole site."""

from __future__ import annotations

import pytest
from spawnpenny_quota import spawnpenny_steps

from spawnpenny.api import QuotaExceededError, Resources, SettingsError
from spawnpenny.testing.plugins import make_settings
from spawnpenny.testing.site import settled, start, stop
from spawnpenny.testing.spawns import make_spawn


@pytest.fixture
def limited(embedded_site):
    """Have a site where these limits hold; a lab asks for one core and 2 GiB."""

    def limit(**limits):
        embedded_site.data["plugins"]["quota"] = limits
        return embedded_site

    return limit


@pytest.mark.parametrize(
    ("limits", "facts"),
    [
        ({"labs": 1}, {"resource": "labs", "asked": "1", "used": "1", "limit": "1"}),
        ({"cpu": "1500m"}, {"resource": "cpu", "asked": "1", "used": "1", "limit": "1500m"}),
        ({"memory": "3Gi"}, {"resource": "memory", "asked": "2Gi", "used": "2Gi", "limit": "3Gi"}),
    ],
)
async def test_what_does_not_fit_is_refused_with_the_numbers(limited, limits, facts):
    site = limited(**limits)
    async with site.service() as service:
        await settled(await start(service))
        with pytest.raises(QuotaExceededError) as refused:
            await start(service, name="second")
        assert refused.value.facts == facts
        assert set(await site.objects("Pod")) == {"Pod/lab"}


@pytest.mark.parametrize(
    ("limits", "limit", "setting"),
    [({"spawns": {"dask": 1}}, "1", "spawns.dask"), ({"spawns": {"dask": 0}, "labs": 1}, "0", "spawns.dask")],
)
def test_the_number_of_spawns_of_any_kind_is_limited(limits, limit, setting):
    (step,) = spawnpenny_steps(make_settings({"plugins": {"quota": limits}}))
    step.check(make_spawn("lab", resources_in_use=Resources(spawns={"dask": 5})))
    with pytest.raises(QuotaExceededError) as refused:
        step.check(make_spawn("dask", resources_in_use=Resources(spawns={"dask": 1, "lab": 3})))
    assert refused.value.facts == {"resource": "dasks", "asked": "1", "used": "1", "limit": limit}
    assert refused.value.setting == f"plugins.quota.{setting}"


def test_a_limit_of_spawns_of_the_kind_lab_is_that_of_labs():
    (step,) = spawnpenny_steps(make_settings({"plugins": {"quota": {"labs": 1, "spawns": {"lab": 2}}}}))
    step.check(make_spawn("lab", resources_in_use=Resources(spawns={"lab": 1})))


async def test_a_limit_of_spawns_of_a_kind_that_no_plugin_provides_is_refused(limited):
    with pytest.raises(SettingsError, match=r"plugins.quota.spawns: .* the kind 'dsk'. The kinds are lab"):
        async with limited(spawns={"dsk": 1}).service():
            pass


async def test_what_was_stopped_counts_no_more(limited):
    async with limited(labs=1).service() as service:
        await settled(await start(service))
        await stop(service)
        run = await settled(await start(service, name="second"))
        assert run.record.reason is None


async def test_another_user_has_a_quota_of_their_own(limited):
    async with limited(labs=1).service() as service:
        await settled(await start(service, user="ada"))
        run = await settled(await start(service, user="bob"))
        assert run.record.reason is None


async def test_a_quota_that_was_raised_reaches_the_namespaces_that_are_there(limited):
    for cpu in ("4", "6"):
        site = limited(cpu=cpu)
        async with site.service() as service:
            await settled(await start(service, f"with-{cpu}", replace=True))
    quota = await site.read("ResourceQuota", "spawnpenny")
    assert quota["spec"]["hard"]["limits.cpu"] == "6"


@pytest.mark.parametrize(("memory", "advised"), [("1Gi", "Choose something smaller"), ("2Gi", None)])
async def test_the_advice_is_to_stop_something_only_where_that_helps(limited, memory, advised):
    async with limited(memory=memory).service() as service:
        if advised is None:
            await settled(await start(service))
        with pytest.raises(QuotaExceededError) as refused:
            await start(service, name="second")
        assert (refused.value.advice or "").startswith(advised or "")
        assert bool(refused.value.advice) is bool(advised)
