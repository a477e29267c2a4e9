"""The broker's namespaces: made, found, and let go of only when nothing lives there."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.broker.local import run_local_broker
from spawnpenny.errors import ConflictError, NameCollisionError, VolumesKeptError

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.fixture
async def broker(site):
    async with run_local_broker(site.cluster, site.settings) as broker:
        yield broker


async def test_claiming_twice_finds_the_same_namespace(broker):
    assert await broker.claim_namespace("ada") == await broker.claim_namespace("ada")


async def test_a_namespace_that_is_being_deleted_is_waited_for_and_made_anew(site, broker):
    first = await broker.claim_namespace("ada")
    await site.cluster.delete(site.ref("Namespace", site.namespace()))
    async with asyncio.timeout(40):
        assert await broker.claim_namespace("ada") != first


async def test_another_users_namespace_is_refused(site, broker):
    await broker.claim_namespace("ada")
    annotations = {"annotations": {"spawnpenny.io/username": "Ada"}}
    await site.cluster.patch(site.ref("Namespace", site.namespace()), {"metadata": annotations})
    with pytest.raises(NameCollisionError):
        await broker.claim_namespace("ada")


async def test_a_namespace_is_released_by_its_uid_only(site, broker):
    uid = await broker.claim_namespace("ada")
    with pytest.raises(ConflictError):
        await broker.release_namespace("ada", "another-uid")
    await broker.release_namespace("ada", uid)
    there = await site.read("Namespace", site.namespace())
    assert there is None or "deletionTimestamp" in there["metadata"]


async def test_a_namespace_with_a_volume_claim_is_kept(site, broker):
    uid = await broker.claim_namespace("ada")
    await site.cluster.create(CLAIM | {"metadata": {"name": "home", "namespace": site.namespace()}})
    with pytest.raises(VolumesKeptError):
        await broker.release_namespace("ada", uid)
    assert "deletionTimestamp" not in (await site.read("Namespace", site.namespace()))["metadata"]
