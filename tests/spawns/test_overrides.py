"""Parts of a Dask cluster that a site's own plugin sets for one user."""

from __future__ import annotations

from types import SimpleNamespace

from spawnpenny.api import hookimpl
from spawnpenny.domain.spawns import Key, Scale
from spawnpenny.testing.site import settled, start_cluster


@hookimpl
def spawnpenny_cluster_overrides(user, options):
    return {"worker_cores": 3, "environment": {"TEAM": user.username}} if user.username == "ada" else None


async def test_it_is_in_the_pods_and_counts_against_the_quota(kube_site, hollow_schedulers):
    kube_site.data["plugins"] |= {"dask": {}, "quota": {"cpu": 8, "memory": "32Gi"}}
    kube_site.plugins = {"sizes": SimpleNamespace(spawnpenny_cluster_overrides=spawnpenny_cluster_overrides)}
    async with kube_site.service() as service:
        cores = {}
        for user, most in (("ada", 2), ("bob", 7)):
            await settled(await start_cluster(service, "c1", user=user))
            scaled = await service.spawns.scale(user, Key("dask", "c1"), Scale(9))
            assert scaled.scale.count == most
            with service.service_context.pods.subscribe() as changes:
                while len(found := workers(service, kube_site.namespace(user))) < most:
                    await anext(changes)
            cores[user] = {pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] for pod in found}
        assert cores == {"ada": {"3"}, "bob": {"1"}}


def workers(service, namespace):
    pods = service.service_context.pods.within(namespace)
    return [pod for pod in pods if "spawnpenny.io/part" in pod["metadata"]["labels"]]
