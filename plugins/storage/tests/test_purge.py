"""Storage that is deleted because somebody asked for it, and all that is kept."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.api import Phase
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.pods import foreign_pod
from spawnpenny.testing.site import HUB, lab, settled, start, stop

CLAIM = "PersistentVolumeClaim"
HOLD = "example.org/hold"


@pytest.fixture
def purged_site(stored):
    """Have a site whose storage may be deleted."""
    return stored(retain=False)


async def runs(service, start_id="s1", **more):
    run = await settled(await start(service, start_id, **more))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    return run


async def purge(service, name="~default"):
    """Purge a lab's storage, wait until that is done, and return why it was kept, if it was."""
    run = await service.spawns.purge("ada", lab(name), identity=HUB)
    async with asyncio.timeout(PATIENCE):
        await run.until_gone()
    return run.kept


async def test_a_lab_goes_with_its_storage_and_no_others(purged_site):
    async with purged_site.service() as service:
        for name in ("~default", "gpu"):
            await runs(service, name=name)
        assert await purge(service) == ""
        assert set(await purged_site.objects("Pod", CLAIM)) == {"Pod/lab-gpu", f"{CLAIM}/claim-ada--gpu"}
        await runs(service, "anew")


async def test_storage_goes_where_the_lab_is_gone_already_and_asking_again_changes_nothing(purged_site):
    async with purged_site.service() as service:
        await runs(service)
        await stop(service)
        for _ in range(2):
            assert await purge(service) == ""
        assert await purged_site.objects(CLAIM) == {}
        assert service.spawns.find("ada", lab()) is None


async def test_storage_of_a_user_of_whom_there_is_no_record_goes(purged_site):
    async with purged_site.service() as service:
        await runs(service)
        await stop(service)
    state = purged_site.settings.namespaces.state
    await purged_site.cluster.delete(purged_site.ref("Secret", "user-ada", state))
    async with purged_site.service() as service:
        assert service.spawns.user_state("ada") is None
        assert await purge(service) == ""
        assert await purged_site.objects(CLAIM) == {}
        assert await service.spawns.purge("nobody", lab(), identity=HUB) is None


async def test_another_start_than_the_one_that_was_named_keeps_all(purged_site):
    async with purged_site.service() as service:
        await runs(service, "second")
        assert await service.spawns.purge("ada", lab(), identity=HUB, start="first") is None
        await stop(service)
        assert await service.spawns.purge("ada", lab(), identity=HUB, start="first") is None
        assert set(await purged_site.objects(CLAIM)) == {f"{CLAIM}/claim-ada"}


async def test_what_all_labs_share_is_kept(stored):
    site = stored(per="user", retain=False)
    async with site.service() as service:
        await runs(service)
        assert "goes when the user is retired with purge=storage" in await purge(service)
        assert set(await site.objects("Pod", CLAIM)) == {f"{CLAIM}/claim-ada"}


async def test_without_the_setting_for_it_nothing_is_deleted(stored):
    site = stored()
    async with site.service() as service:
        await runs(service)
        assert "plugins.storage.retain" in await purge(service)
        assert set(await site.objects("Pod", CLAIM)) == {f"{CLAIM}/claim-ada"}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"spawnpenny.io/managed-by": None}, "it was not made for this user."),
        ({"spawnpenny.io/installation": "another"}, "it was not made for this user."),
        ({"spawnpenny.io/user": "bob"}, "it was not made for this user."),
        ({"spawnpenny.io/lab": "gpu"}, "it is another lab's."),
        ({"spawnpenny.io/lab": None}, "it is for all labs of the user"),
    ],
)
async def test_what_is_not_the_labs_alone_is_kept(purged_site, labels, reason):
    async with purged_site.service() as service:
        await runs(service)
        await stop(service)
        ref = purged_site.ref(CLAIM, "claim-ada")
        await purged_site.cluster.patch(ref, {"metadata": {"labels": labels}})
        assert reason in await purge(service)
        assert "deletionTimestamp" not in (await purged_site.cluster.read(ref))["metadata"]


async def test_what_another_pod_mounts_is_kept(purged_site):
    async with purged_site.service() as service:
        await runs(service)
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "claim-ada"}}]
        pod = foreign_pod("backup", purged_site.namespace(), **limits())
        pod["spec"]["volumes"] = volumes
        await purged_site.cluster.create(pod)
        assert "it is mounted by backup" in await purge(service)
        assert "deletionTimestamp" not in (await purged_site.read(CLAIM, "claim-ada"))["metadata"]
        assert await purged_site.read("Pod", "lab") is None


def limits():
    requests = {"cpu": "100m", "memory": "64Mi"}
    return {"resources": {"limits": requests, "requests": requests}}


async def test_no_lab_starts_while_its_storage_goes_and_the_next_service_goes_on_with_it(kube_site):
    kube_site.data["plugins"]["storage"] = {"retain": False}
    ref = kube_site.ref(CLAIM, "claim-ada")
    async with kube_site.service() as service:
        await runs(service)
        await kube_site.cluster.patch(ref, {"metadata": {"finalizers": [HOLD]}})
        run = await service.spawns.purge("ada", lab(), identity=HUB)
        with pytest.raises(Exception, match="is being deleted"):
            await start(service, "again", replace=True)
        assert await service.spawns.purge("ada", lab(), identity=HUB) is run
    async with kube_site.service() as service:
        run = service.spawns.find("ada", lab())
        with pytest.raises(Exception, match="is being deleted"):
            await start(service, "again", replace=True)
        await kube_site.cluster.patch(ref, {"metadata": {"finalizers": []}})
        await run.until_gone()
        assert run.kept == ""
        assert await kube_site.objects(CLAIM) == {}
        await runs(service, "anew")


async def test_storage_that_does_not_go_in_time_is_reported_and_the_lab_can_start_again(kube_site):
    kube_site.data["plugins"]["storage"] = {"retain": False}
    kube_site.data["deadlines"] = {"stop": 1}
    ref = kube_site.ref(CLAIM, "claim-ada")
    async with kube_site.service() as service:
        await runs(service)
        await kube_site.cluster.patch(ref, {"metadata": {"finalizers": [HOLD]}})
        assert "was not gone after 1 seconds" in await purge(service)
        await kube_site.cluster.patch(ref, {"metadata": {"finalizers": []}})
        assert await purge(service) == ""


async def test_a_stop_under_way_can_still_take_the_storage_along(purged_site):
    async with purged_site.service() as service:
        await runs(service)
        await service.spawns.stop("ada", lab())
        assert await purge(service) == ""
        assert await purged_site.objects("Pod", CLAIM) == {}


@pytest.mark.parametrize("with_storage", [False, True])
async def test_a_retired_users_storage_goes_only_where_that_is_asked_for(purged_site, with_storage):
    purged_site.data["broker"] = {"purge": True}
    async with purged_site.service() as service:
        await runs(service)
        await stop(service)
        run = await service.spawns.retire("ada", purge=with_storage)
        await run.until_gone()
        if with_storage:
            await service.service_context.namespaces.wait_for(
                None,
                purged_site.namespace(),
                lambda found: found is None or "deletionTimestamp" in found["metadata"],
            )
        else:
            assert set(await purged_site.objects(CLAIM)) == {f"{CLAIM}/claim-ada"}
