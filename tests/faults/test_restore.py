"""The API server's store restored from a backup, beneath a service that goes on."""

from __future__ import annotations

import asyncio

from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.replicas.ownership import record_name
from spawnpenny.testing.apiserver import ApiServer
from spawnpenny.testing.site import make_site, start

NAMES = ("before", "after")


def note(site, name):
    metadata = {"name": name, "namespace": site.settings.namespaces.state, "labels": {"note": "x"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def test_what_a_restored_store_has_forgotten_is_forgotten_and_what_comes_then_is_heard_of(tmp_path):
    with ApiServer() as api:
        async with await KubernetesCluster.connect(str(api.kubeconfig), silence=5) as cluster:
            site = await make_site(cluster)
            site.data["replicas"] = {"lease": 4}
            await cluster.create(note(site, "before"))
            await asyncio.to_thread(api.save, tmp_path / "backup")
            space = site.settings.namespaces.state
            notes = Informer(cluster, resource_of("ConfigMap"), namespace=space, labels={"note": "x"})
            following = asyncio.create_task(notes.run())
            async with site.service() as service:
                await start(service)  # its record is written after the backup
                await cluster.create(note(site, "after"))
                for number in range(100):  # far into what will be the future
                    await cluster.patch(Ref.of(note(site, "after")), {"data": {"n": str(number)}})
                for name in NAMES:
                    await notes.wait_for(space, name, lambda seen: seen is not None)
                await asyncio.to_thread(api.restore, tmp_path / "backup")
                await notes.wait_for(space, "after", lambda seen: seen is None)
                await cluster.create(note(site, "later"))
                await notes.wait_for(space, "later", lambda seen: seen is not None)
                # The service writes its Lease anew, and serves.
                while not service.membership.heartbeat.fence.is_open:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.1)
                await start(service, user="bob")
                await service.membership.records.wait_for(space, record_name("bob"), lambda seen: seen is not None)
            following.cancel()
            await asyncio.wait({following})
