"""Storage of labs, on a whole site: on the embedded cluster, and on a real API server where there is one."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from spawnpenny_storage.errors import StorageInUseError

from spawnpenny.api import Phase, safe_slug
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import HUB, settled, start, stop

CLAIM = "PersistentVolumeClaim"
HOLD = "example.org/hold"


def foreign(site, name="claim-ada", **metadata):
    return {
        "apiVersion": "v1",
        "kind": CLAIM,
        "metadata": {"name": name, "namespace": site.namespace(), **metadata},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def uid(manifest):
    return manifest["metadata"]["uid"]


def messages(run):
    return [event.message for event in run.record.log.since(None)]


async def until_notified(run, message):
    """Wait for an event whose message has this beginning."""
    async with asyncio.timeout(PATIENCE):
        async for event in run.events():
            if event.message.startswith(message):
                return
    raise AssertionError(messages(run))


async def runs(service, start_id="s1", **more):
    run = await settled(await start(service, start_id, **more))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    return run


async def test_each_lab_has_a_claim_of_its_own_that_outlives_it(stored):
    site = stored()
    async with site.service() as service:
        await runs(service)
        await runs(service, name="gpu")
        claims = await site.objects(CLAIM)
        assert set(claims) == {f"{CLAIM}/claim-ada", f"{CLAIM}/claim-ada--gpu"}
        pod = await site.read("Pod", "lab-gpu")
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["storage"]["persistentVolumeClaim"]["claimName"] == "claim-ada--gpu"
        await stop(service)
        await runs(service, "again")
        assert (await site.read(CLAIM, "claim-ada"))["metadata"]["uid"] == claims[f"{CLAIM}/claim-ada"]["metadata"][
            "uid"
        ]


async def test_the_labs_of_a_user_share_one_claim(stored):
    site = stored(per="user")
    async with site.service() as service:
        await runs(service)
        await runs(service, name="gpu")
        assert set(await site.objects(CLAIM)) == {f"{CLAIM}/claim-ada"}
        for name in ("lab", "lab-gpu"):
            volumes = (await site.read("Pod", name))["spec"]["volumes"]
            assert {"claimName": "claim-ada"} in [volume.get("persistentVolumeClaim") for volume in volumes]


async def test_a_claim_that_is_not_ours_is_neither_mounted_nor_changed(stored):
    site = stored()
    async with site.service() as service:
        await runs(service, name="other")  # so that the namespace is there
        theirs = await site.cluster.create(foreign(site))
        run = await settled(await start(service))
        assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, "storage_not_ours")
        assert await site.read("Pod", "lab") is None
        assert (await site.read(CLAIM, "claim-ada"))["metadata"]["resourceVersion"] == theirs["metadata"][
            "resourceVersion"
        ]


async def test_an_administrator_adopts_a_claim_with_the_labels_that_the_refusal_names(stored):
    site = stored()
    async with site.service() as service:
        await runs(service, name="other")
        theirs = await site.cluster.create(foreign(site))
        run = await settled(await start(service))
        named = run.record.reason.message.rpartition("the labels ")[2].rstrip(".")
        labels = dict(label.split("=") for label in named.split(", "))
        await site.cluster.patch(site.ref(CLAIM, "claim-ada"), {"metadata": {"labels": labels}})
        await runs(service, "again")
        assert uid(await site.read(CLAIM, "claim-ada")) == uid(theirs)


async def test_another_users_claim_is_not_mounted(stored):
    site = stored()
    async with site.service() as service:
        await runs(service, name="other")
        labels = (await site.objects(CLAIM))[f"{CLAIM}/claim-ada--other"]["metadata"]["labels"]
        await site.cluster.create(
            foreign(site, labels={**labels, "spawnpenny.io/user": "bob", "spawnpenny.io/lab": ""})
        )
        run = await settled(await start(service))
        assert run.record.reason.code == "storage_not_ours"


def two_with_one_slug():
    """Find two names of labs that come to one slug: a user can, too."""
    seen = {}
    for signs in itertools.product("@_.!", repeat=12):
        name = f"a{''.join(signs)}b"
        other = seen.setdefault(safe_slug(name), name)
        if other != name:
            return other, name
    raise AssertionError


async def test_a_lab_whose_name_comes_to_the_same_slug_gets_nothing_of_the_other(stored):
    site, (one, other) = stored(retain=False), two_with_one_slug()
    async with site.service() as service:
        await runs(service, name=one)
        await stop(service, name=one)
        run = await settled(await start(service, name=other))
        assert run.record.reason.code == "storage_not_ours"
        purged = await service.spawns.purge("ada", run.record.key, identity=HUB)
        await purged.until_gone()
        assert "another lab's" in purged.kept
        assert await site.objects(CLAIM) != {}


async def test_a_labs_own_claim_does_not_become_all_labs_unasked(stored):
    async with stored().service() as service:
        await runs(service)
        await stop(service)
    async with stored(per="user").service() as service:
        run = await settled(await start(service, "again"))
        assert run.record.reason.code == "storage_not_ours"
        assert "removes its label spawnpenny.io/lab." in run.record.reason.message


async def test_a_claim_that_was_deleted_is_made_anew(stored):
    site = stored()
    async with site.service() as service:
        await runs(service)
        await stop(service)
        await site.cluster.delete(site.ref(CLAIM, "claim-ada"))
        await runs(service, "again")
        assert "deletionTimestamp" not in (await site.read(CLAIM, "claim-ada"))["metadata"]


async def test_a_claim_that_is_being_deleted_is_waited_for(kube_site):
    kube_site.data["plugins"]["storage"] = {}
    async with kube_site.service() as service:
        await runs(service)
        await stop(service)
        ref = kube_site.ref(CLAIM, "claim-ada")
        old = await kube_site.cluster.patch(ref, {"metadata": {"finalizers": [HOLD]}})
        await kube_site.cluster.delete(ref)
        run = await start(service, "again")
        await until_notified(run, "The volume claim claim-ada is being deleted.")
        await kube_site.cluster.patch(ref, {"metadata": {"finalizers": []}})
        assert (await settled(run)).record.phase is Phase.RUNNING
        assert (await kube_site.cluster.read(ref))["metadata"]["uid"] != old["metadata"]["uid"]


async def test_a_claim_grows_with_the_settings_and_never_shrinks(stored, request):
    site = stored()
    async with site.service() as service:
        await runs(service)
        await stop(service)
    for capacity, size in (("2Gi", "2Gi"), ("500Mi", "2Gi")):
        async with stored(capacity=capacity).service() as service:
            run = await runs(service, f"with-{capacity}")
            await stop(service)
        requests = (await site.read(CLAIM, "claim-ada"))["spec"]["resources"]["requests"]
        if "embedded" in request.node.name:
            assert requests == {"storage": size}
        else:  # no class of this API server lets a claim grow
            assert requests == {"storage": "1Gi"}
            assert any("stays at 1Gi" in message for message in messages(run)) == (capacity == "2Gi")


async def test_a_claim_that_may_not_grow_is_left_as_it_is(embedded_site):
    for capacity in ("1Gi", "2Gi"):
        embedded_site.data["plugins"]["storage"] = {"capacity": capacity, "expand": False}
        async with embedded_site.service() as service:
            await runs(service, capacity, replace=True)
    claim = await embedded_site.read(CLAIM, "claim-ada")
    assert claim["spec"]["resources"]["requests"] == {"storage": "1Gi"}


async def test_storage_for_one_pod_is_not_given_to_a_second_lab(embedded_site):
    embedded_site.data["plugins"]["storage"] = {"per": "user", "access_modes": ["ReadWriteOncePod"]}
    async with embedded_site.service() as service:
        await runs(service)
        with pytest.raises(StorageInUseError):
            await start(service, name="second")
        await runs(service, "again", replace=True)
        await stop(service)
        await runs(service, name="second")


async def test_undoing_a_lab_takes_no_storage_away(embedded_site):
    embedded_site.data["plugins"]["storage"] = {"retain": False}
    embedded_site.data["plugins"]["lab"] = {"images": {"none": "no/such"}}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.FAILED
        assert set(await embedded_site.objects("Pod", CLAIM)) == {f"{CLAIM}/claim-ada"}
