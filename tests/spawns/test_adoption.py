"""The end of a service, and how the next one adopts its spawns."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from spawnpenny.broker.local import run_local_broker
from spawnpenny.domain.spawns import Phase
from spawnpenny.domain.users import Group, User
from spawnpenny.errors import NotReadyError
from spawnpenny.kubernetes.deletion import until_gone
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import run_service
from spawnpenny.spawns.errors import RecordUnreadableError
from spawnpenny.testing.behaviours import Hold, Ready
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.pods import foreign_pod
from spawnpenny.testing.site import HUB, lab, settled, start, stop


async def test_a_shutdown_leaves_a_spawn_to_the_next_service(kube_site, hollow_node):
    mine = {"spawnpenny.io/installation": kube_site.settings.installation}
    hollow_node.behave(mine, Hold())
    async with kube_site.service() as service:
        first = await start(service, env={"JUPYTER_TOKEN": "kept"})
        async for event in first.events():
            if event.message == "Waiting for the lab to answer.":
                break
    pod = await kube_site.read("Pod", "lab")
    async with kube_site.service() as service:
        hollow_node.behave(mine, Ready())
        run = await settled(service.spawns.find("ada", lab()))
        assert run.record.phase is Phase.RUNNING
        assert run.record.id == first.record.id
        assert run.record.pod_uid == pod["metadata"]["uid"]


async def test_events_go_on_with_ids_that_no_client_has_seen(kube_site, hollow_node):
    mine = {"spawnpenny.io/installation": kube_site.settings.installation}
    hollow_node.behave(mine, Hold())
    async with kube_site.service() as service:
        run = await start(service)
        seen = []
        async for event in run.events():
            seen.append(event.id)
            if event.message == "Waiting for the lab to answer.":
                break
    hollow_node.behave(mine, Ready())
    async with kube_site.service() as service:
        ids = [event.id async for event in service.spawns.find("ada", lab()).events()]
    assert not set(ids) & set(seen)


async def test_a_running_lab_is_never_reported_as_stopped_by_a_service_that_starts(site):
    async with site.service() as service:
        run = await settled(await start(service))
    plugins = load_plugins(site.settings)
    async with (
        run_local_broker(site.cluster, site.settings) as broker,
        run_service(site.settings, plugins, site.cluster, broker) as service,
    ):
        with pytest.raises(NotReadyError):
            service.spawns.find("ada", lab())
        await service.until_ready()
        found = service.spawns.find("ada", lab())
        assert (found.record.phase, found.record.url) == (Phase.RUNNING, run.record.url)


async def test_a_pod_whose_record_is_lost_is_recorded_again(any_site):
    async with any_site.service() as service:
        run = await settled(await start(service, "kept", options={"size": "small"}))
    await any_site.cluster.delete(any_site.ref("Secret", "user-ada", any_site.settings.namespaces.state))
    async with any_site.service() as service:
        again = await settled(service.spawns.find("ada", lab()))
        assert again.record.phase is Phase.RUNNING
        assert (again.record.pod_uid, again.record.request.start) == (run.record.pod_uid, "kept")


async def test_a_record_that_cannot_be_read_stops_nobody_else(any_site):
    async with any_site.service() as service:
        await settled(await start(service))
        await settled(await start(service, user="grace"))
    record = any_site.ref("Secret", "user-ada", any_site.settings.namespaces.state)
    await any_site.cluster.patch(record, {"data": {"record": "bm90IEpTT04="}})
    async with any_site.service() as service:
        assert service.spawns.find("grace", lab()).record.phase is Phase.RUNNING
        with pytest.raises(RecordUnreadableError):  # and not "there is no such lab": it runs
            service.spawns.find("ada", lab())
        with pytest.raises(RecordUnreadableError):
            await start(service, "anew")
        assert "Pod/lab" in await any_site.objects()


async def test_a_record_deleted_under_a_running_service_is_written_anew(site):
    async with site.service() as service:
        await settled(await start(service))
        await site.cluster.delete(site.ref("Secret", "user-ada", site.settings.namespaces.state))
        other = await settled(await start(service, name="other"))
        assert other.record.phase is Phase.RUNNING
    async with site.service() as service:
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING


async def test_a_ready_pod_of_a_lost_record_is_not_put_at_risk(site):
    """It runs: whatever the steps would say now, nothing is applied, and nothing can be undone."""
    async with site.service() as service:
        ada = User("ada", 5001, 5001, (Group("physics", 3001),))
        await settled((await service.spawns.commission(ada, identity=HUB)).run)
        run = await settled(await start(service))
    await site.cluster.delete(site.ref("Secret", "user-ada", site.settings.namespaces.state))
    site.data["pods"] = {"images": ["nothing/*"]}
    async with site.service() as service:
        found = service.spawns.find("ada", lab())
        assert (found.record.phase, found.record.url) == (Phase.RUNNING, run.record.url)
        assert service.spawns.user_state("ada").record.user == ada
        await stop(service)
        assert "Pod/lab" not in await site.objects()


async def test_an_empty_list_of_pods_ends_no_lab(site):
    async with site.service() as service:
        run = await settled(await start(service))
    forgetful = Forgetful(site.cluster)
    async with replace(site, cluster=forgetful).service() as service:
        async with asyncio.timeout(PATIENCE):
            await forgetful.read_twice.wait()
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING
    assert (await site.read("Pod", "lab"))["metadata"]["uid"] == run.record.pod_uid


async def test_another_pod_that_took_the_name_is_left_alone(any_site):
    async with any_site.service() as service:
        await settled(await start(service))
    pod = await any_site.read("Pod", "lab")
    pods = Informer(any_site.cluster, resource_of("Pod"), namespace=any_site.namespace())
    watching = asyncio.create_task(pods.run())
    await any_site.cluster.delete(any_site.ref("Pod", "lab"), grace=0)
    await until_gone(any_site.cluster, pods, any_site.ref("Pod", "lab"), pod["metadata"]["uid"])
    watching.cancel()
    await any_site.cluster.create(foreign_pod("lab", any_site.namespace()))
    async with any_site.service() as service:
        run = await settled(service.spawns.find("ada", lab()))
        assert (run.record.phase, run.record.reason.code) == (Phase.EXITED, "pod_gone")
        assert "deletionTimestamp" not in (await any_site.read("Pod", "lab"))["metadata"]


class Forgetful(FaultyCluster):
    """A cluster whose list of pods is empty, though each pod can be read."""

    def __init__(self, cluster):
        super().__init__(cluster)
        self.reads, self.read_twice = 0, asyncio.Event()

    async def read(self, ref):
        answer = await super().read(ref)
        self.reads += ref.resource.kind == "Pod"
        if self.reads == 2:
            self.read_twice.set()
        return answer

    async def list(self, resource, *, namespace=None, labels=None):
        listing = await super().list(resource, namespace=namespace, labels=labels)
        return replace(listing, items=()) if resource.kind == "Pod" else listing


async def test_a_user_whose_record_cannot_be_written_holds_up_nobody_else(kube_site, hollow_node):
    mine = {"spawnpenny.io/installation": kube_site.settings.installation}
    hollow_node.behave(mine, Hold())
    async with kube_site.service() as service:
        for user in ("ada", "grace"):
            await until_waiting(await start(service, user=user))
    hollow_node.behave(mine, Ready())
    unwritable = Unwritable(kube_site.cluster)
    async with replace(kube_site, cluster=unwritable).service() as service:
        run = await settled(service.spawns.find("grace", lab()))
        assert run.record.phase is Phase.RUNNING
        unwritable.refused = ""
        run = await settled(service.spawns.find("ada", lab()))
        assert run.record.phase is Phase.RUNNING


async def until_waiting(run):
    async for event in run.events():
        if event.message == "Waiting for the lab to answer.":
            return


class Unwritable(FaultyCluster):
    """A cluster that does not take one user's record."""

    refused = "user-ada"

    async def replace(self, manifest, resource=None):
        if manifest["metadata"]["name"] == self.refused:
            raise ClusterForbiddenError("The cluster's policy denies it.")
        return await super().replace(manifest, resource)
