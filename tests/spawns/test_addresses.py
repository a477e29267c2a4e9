"""Pods that change their address: a machine restarts, or a sandbox is made anew, and the pod stays the same."""

from __future__ import annotations

import asyncio
import base64

import pytest

from spawnpenny.testing.behaviours import make_status, terminated
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import lab, settled, start, start_cluster

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ADDRESSES = [("10.9.9.9", "http://10.9.9.9:8888/"), ("fd00::9", "http://[fd00::9]:8888/")]


async def move(site, hollow_node, address, *, ready=True, name="lab"):
    pod = await site.read("Pod", name)
    status = make_status(pod, "Running", RUNNING, ready=ready, restarts=1, last=terminated(255, "Unknown"))
    place = {"podIP": address, "podIPs": [{"ip": address}]}
    await hollow_node.set_status(site.namespace(), name, status | place)


async def until_url(run, url):
    while run.record.url != url:
        await run.bell.next().wait()


def moves(run):
    return [event.message for event in run.record.log.since(None) if "another address" in event.message]


async def stored(service, site, url):
    """Wait until the record in the cluster has a URL."""
    secrets = service.service_context.ownership.records
    await secrets.wait_for(site.settings.namespaces.state, "user-ada", lambda found: url in _text(found))


def _text(secret):
    return base64.b64decode(secret["data"]["record"]).decode() if secret else ""


@pytest.mark.parametrize(("address", "url"), ADDRESSES)
async def test_a_running_lab_is_followed_to_its_pods_new_address(kube_site, hollow_node, address, url):
    async with kube_site.service() as service:
        run = await settled(await start(service))
        before = run.record.url
        await move(kube_site, hollow_node, address, ready=False)
        await service.service_context.pods.wait_for(
            kube_site.namespace(), "lab", lambda pod: pod["status"].get("podIP") == address
        )
        assert run.record.url == before  # nothing answers there yet
        await move(kube_site, hollow_node, address)
        await until_url(run, url)
        assert moves(run) == [f"Its pod has another address now. It is reached at {url}."]
        await stored(service, kube_site, url)
    async with kube_site.service() as service:
        run = service.spawns.find("ada", lab())
        assert (run.record.url, len(moves(run))) == (url, 1)


async def test_an_address_that_changed_while_no_service_ran_is_followed_by_the_next(kube_site, hollow_node):
    async with kube_site.service() as service:
        await settled(await start(service))
    await move(kube_site, hollow_node, "10.9.9.9")
    async with kube_site.service() as service:
        run = service.spawns.find("ada", lab())
        await until_url(run, "http://10.9.9.9:8888/")
        await stored(service, kube_site, "http://10.9.9.9:8888/")


async def test_a_lab_whose_address_stays_costs_no_call(kube_site, hollow_node, counted):
    async with kube_site.service() as service:
        run = await settled(await start(service))
        pod = await kube_site.read("Pod", "lab")
        with counted() as calls:
            status = make_status(pod, "Running", RUNNING, ready=True, restarts=3)
            await hollow_node.set_status(kube_site.namespace(), "lab", status)
            await service.service_context.pods.wait_for(
                kube_site.namespace(), "lab", lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 3
            )
        assert calls == []
        assert moves(run) == []


async def test_a_faulty_url_of_a_plugin_ends_no_watching(kube_site, hollow_node, monkeypatch):
    async with kube_site.service() as service:
        run = await settled(await start(service))
        step = next(step for step in service.service_context.plugins.pipelines["lab"].steps if step.name == "lab.pod")
        with monkeypatch.context() as broken:
            broken.setattr(type(step), "url", lambda *_: 1 / 0)
            await move(kube_site, hollow_node, "10.9.9.8")
            await service.service_context.pods.wait_for(
                kube_site.namespace(), "lab", lambda pod: pod["status"].get("podIP") == "10.9.9.8"
            )
        await move(kube_site, hollow_node, "10.9.9.9")
        await until_url(run, "http://10.9.9.9:8888/")


@pytest.mark.usefixtures("hollow_schedulers")
async def test_a_schedulers_new_address_is_the_clusters(kube_site, hollow_node):
    kube_site.data["plugins"] |= {"dask": {}, "quota": {"cpu": 100, "memory": "200Gi"}}
    async with kube_site.service() as service:
        run = await settled(await start_cluster(service))
        await move(kube_site, hollow_node, "10.9.9.9", name="dask-c1")
        async with asyncio.timeout(PATIENCE):
            await until_url(run, "tls://10.9.9.9:8786")
