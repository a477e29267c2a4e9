"""Maintenance deletes orphans, releases idle namespaces, and touches nothing else."""

from __future__ import annotations

import asyncio
import copy

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Phase
from spawnpenny.domain.users import User
from spawnpenny.spawns.errors import RecordUnreadableError
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.pods import foreign_pod
from spawnpenny.testing.site import HUB, lab, settled, start, stop


def secret(site, name, **secret_labels):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": site.namespace(), "labels": secret_labels},
    }


def marked(site, spawn):
    return {**labels.ours(site.settings.installation), labels.USER: "ada", labels.SPAWN: spawn}


def volume_claim(site):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home", "namespace": site.namespace(), "labels": marked(site, "gone")},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


async def orphan_pod(site, service, name, spawn_id=None):
    """Make a pod like a lab's, of an unknown spawn or of ``spawn_id``; wait until the service has it in its cache."""
    (existing,) = [pod for pod in service.service_context.pods.items() if pod["metadata"]["name"] == "lab"]
    pod = foreign_pod(name, site.namespace())
    pod["metadata"] |= {key: copy.deepcopy(existing["metadata"][key]) for key in ("labels", "annotations")}
    pod["metadata"]["labels"][labels.SPAWN] = spawn_id or f"gone-{name}"
    await site.cluster.create(pod)
    await service.service_context.pods.wait_for(site.namespace(), name, lambda pod: pod is not None)


async def test_what_no_spawn_has_is_taken_away_by_the_second_pass(site):
    async with site.service() as service:
        run = await settled(await start(service))
        await site.cluster.create(secret(site, "left", **marked(site, "gone-left")))
        await site.cluster.create(secret(site, "foreign"))
        await site.cluster.create(secret(site, "shared", **labels.ours(site.settings.installation)))
        await site.cluster.create(volume_claim(site))
        await orphan_pod(site, service, "left")
        await service.maintenance.run_once()
        assert await site.read("Secret", "left") is not None
        await service.maintenance.run_once()
        await service.service_context.pods.wait_for(site.namespace(), "left", lambda pod: pod is None)
        assert await site.read("Secret", "left") is None
        for kind, name in (("Secret", "foreign"), ("Secret", "shared"), ("PersistentVolumeClaim", "home")):
            assert await site.read(kind, name) is not None
        assert (await site.read("Pod", "lab"))["metadata"]["uid"] == run.record.pod_uid
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING


async def test_a_pass_that_would_remove_much_removes_nothing_and_alarms(site, logged):
    site.data["housekeeping"] = {"share": 0.5}
    async with site.service() as service:
        run = await settled(await start(service))
        for number in range(3):  # of one spawn, as the workers of a Dask cluster are
            await orphan_pod(site, service, f"worker-{number}", spawn_id=run.record.id)
        for name in ("left-1", "left-2", "left-3"):
            await orphan_pod(site, service, name)
        for _ in range(3):
            await service.maintenance.run_once()
        assert {f"Pod/left-{number}" for number in (1, 2, 3)} <= set(await site.objects("Pod"))
        assert service.maintenance.orphans.held_back == 3
        assert [line["found"] for line in logged() if line["level"] == "error"] == [3, 3]


async def test_the_namespace_of_a_user_who_has_nothing_is_let_go_of(site):
    site.data["housekeeping"] = {"idle": 1e-6}
    async with site.service() as service:
        first = await settled(await start(service))
        await service.maintenance.run_once()
        assert service.spawns.find("ada", lab()) is first
        await stop(service)
        uid = (await site.read("Namespace", site.namespace()))["metadata"]["uid"]
        await service.maintenance.run_once()
        await service.service_context.namespaces.wait_for(
            None, site.namespace(), lambda found: found is None or "deletionTimestamp" in found["metadata"]
        )
        assert service.spawns.user_state("ada") is None
        assert await site.read("Secret", "user-ada", site.settings.namespaces.state) is None
        again = await settled(await start(service, "again"))
        assert again.record.phase is Phase.RUNNING, again.record.reason
        assert (await site.read("Namespace", site.namespace()))["metadata"]["uid"] != uid


async def test_a_namespace_with_a_volume_claim_is_kept(site):
    site.data["housekeeping"] = {"idle": 1e-6}
    async with site.service() as service:
        await settled(await start(service))
        claim = await site.cluster.create(volume_claim(site))
        await stop(service)
        await service.maintenance.run_once()
        existing = await site.read("PersistentVolumeClaim", "home")
        assert existing["metadata"]["uid"] == claim["metadata"]["uid"]
        assert service.spawns.user_state("ada").record.namespace


async def test_an_idle_namespace_with_somebody_elses_object_is_kept_and_asked_about_only_later(site, logged):
    site.data["housekeeping"] = {"idle": 1e-6}
    async with site.service() as service:
        await settled(await start(service))
        await stop(service)
        await site.cluster.create(secret(site, "regcred"))
        site_namespace = (await site.read("Namespace", site.namespace()))["metadata"]["uid"]
        await service.maintenance.run_once()
        existing = await site.read("Namespace", site.namespace())
        assert existing["metadata"]["uid"] == site_namespace
        assert "deletionTimestamp" not in existing["metadata"]
        (kept,) = [line["why"] for line in logged() if line["event"] == "an idle namespace is kept"]
        assert kept.endswith("not all objects in it are spawnpenny's: Secret/regcred.")


async def test_a_commissioned_user_is_not_forgotten(embedded_site):
    embedded_site.data["housekeeping"] = {"idle": 1e-6}
    ada = User("ada", 1234, 1234)
    async with embedded_site.service() as service:
        await settled((await service.spawns.commission(ada, identity=HUB)).run)
        await settled(await start(service))
        await stop(service)
        await service.maintenance.run_once()
        assert service.spawns.user_state("ada").record.user == ada
        run = await settled(await start(service, "again"))
        assert run.record.phase is Phase.RUNNING, run.record.reason


async def test_a_start_that_comes_while_its_user_is_let_go_of_waits_and_begins_anew(embedded_site):
    embedded_site.data["housekeeping"] = {"idle": 0.000001}
    faulty = FaultyCluster(embedded_site.cluster)
    async with embedded_site.service(cluster=faulty) as service:
        await settled(await start(service))
        await stop(service)
        starting = []

        async def start_now(call):
            starting.append(asyncio.create_task(start(service, "again")))

        faulty.arm(0, before=start_now)
        await service.maintenance.run_once()
        assert faulty.calls[0].startswith("delete Namespace")
        run = await settled(await starting[0])
        assert run.record.phase is Phase.RUNNING, run.record.reason


async def test_an_idle_user_who_stays_known_costs_nothing(embedded_site):
    embedded_site.data["housekeeping"] = {"idle": 0.001}
    faulty = FaultyCluster(embedded_site.cluster)
    async with embedded_site.service(cluster=faulty) as service:
        await settled((await service.spawns.commission(User("ada", 1234, 1234), identity=HUB)).run)
        await service.maintenance.run_once()
        faulty.arm()
        await service.maintenance.run_once()
        assert faulty.calls == []


async def test_a_user_whose_unreadable_record_is_deleted_is_known_again(embedded_site):
    state = embedded_site.settings.namespaces.state
    async with embedded_site.service() as service:
        run = await settled(await start(service))
    await embedded_site.cluster.patch(embedded_site.ref("Secret", "user-ada", state), {"data": {"record": "bm9uZQ=="}})
    async with embedded_site.service() as service:
        with pytest.raises(RecordUnreadableError):
            service.spawns.find("ada", lab())
        with service.membership.records.subscribe() as changes:
            await embedded_site.cluster.delete(embedded_site.ref("Secret", "user-ada", state))
            await anext(changes)
        await asyncio.sleep(0)
        await service.maintenance.run_once()
        assert (await start(service)).record.pod_uid == run.record.pod_uid


@pytest.mark.parametrize("idle", [0, 3600])
async def test_nothing_is_let_go_of_before_its_time(embedded_site, idle):
    embedded_site.data["housekeeping"] = {"idle": idle}
    async with embedded_site.service() as service:
        await settled(await start(service))
        await stop(service)
        await service.maintenance.run_once()
        assert service.spawns.user_state("ada").record.namespace
