"""The grace period: one value, in the pod's spec and when it is deleted, whatever it is called."""

from __future__ import annotations

import pytest

from spawnpenny.testing.site import settled, start, stop

SLEEPER = {
    "name": "beside",
    "image": "spawnpenny/shell",
    "args": ["-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"],
}


@pytest.fixture
def deletes(site, monkeypatch):
    """Return the grace periods of the pods' deletes so far."""
    found, delete = [], site.cluster.delete

    async def noted(ref, **options):
        if ref.resource.kind == "Pod":
            found.append(options.get("grace"))
        return await delete(ref, **options)

    monkeypatch.setattr(site.cluster, "delete", noted)
    return found


@pytest.mark.parametrize(
    ("section", "seconds"),
    [
        ({}, 10),
        ({"grace": 40}, 40),
        ({"delete_grace_period": 40, "grace": 40}, 40),
        ({"extra_pod_config": {"termination_grace_period_seconds": 40}}, 40),
        ({"delete_grace_period": 0}, 0),
        (
            {"profile_list": [{"display_name": "P", "kubespawner_override": {"delete_grace_period": 41}}]},
            41,
        ),
    ],
)
async def test_it_is_one_value_in_the_spec_and_in_the_delete(site, deletes, section, seconds):
    site.data["plugins"]["lab"] = section
    async with site.service() as service:
        assert (await settled(await start(service))).record.reason is None
        pod = await site.read("Pod", "lab")
        await stop(service)
    assert pod["spec"]["terminationGracePeriodSeconds"] == seconds
    assert deletes == [seconds]


async def test_a_pod_keeps_its_own_when_the_settings_have_changed(site, deletes):
    site.data["plugins"]["lab"] = {"grace": 5}
    async with site.service() as service:
        await settled(await start(service))
    site.data["plugins"]["lab"] = {"grace": 50}
    async with site.service() as service:
        await stop(service)
    assert deletes == [5]


async def test_a_long_stop_is_no_warning(embedded_site):
    """The container takes a second to end; all else has a twentieth of that."""
    embedded_site.data["plugins"]["lab"] = {"grace": 30, "extra_containers": [SLEEPER]}
    embedded_site.data["deadlines"] = {"stop": 0.05}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        await stop(service)
        assert [event.message for event in run.record.log.since(None) if event.severity == "warning"] == []
        assert "Pod/lab" not in await embedded_site.objects("Pod")
