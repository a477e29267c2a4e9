"""A service that is killed (SIGKILL, its own process, the real API server) at every call that changes something."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.testing.site import lab, settled, start

VICTIM = Path(__file__).with_name("victim.py")
FIRST_SPAWN = [(at, when) for at in range(10) for when in ("before", "after")]
RESPAWN = [(at, when) for at in range(4) for when in ("before", "after")]
TWICE = [(first, second) for first in range(1, 9) for second in range(10)]
if os.environ.get("SPAWNPENNY_TEST_ALL") != "1":
    TWICE = [(1, 0), (2, 5), (5, 3), (7, 8), (8, 5), (8, 9)]  # one run in CI takes these; the others take minutes
STOP = [(at, when) for at in range(4) for when in ("before", "after")]
PURGE = [(0, "after"), (2, "after"), (3, "after"), (4, "before")]  # record, pod, Secret, claim, record


async def kill(apiserver, site, work, at, when):
    """Run a service that is killed at that call."""
    order = {"kubeconfig": str(apiserver.kubeconfig), "data": site.data, "work": work, "at": at, "when": when}
    process = await asyncio.create_subprocess_exec(sys.executable, str(VICTIM), json.dumps(order))
    assert await process.wait() == -signal.SIGKILL


async def after_restart(service):
    """Let the new service carry on with what it found; return the lab's run, if there is one."""
    run = service.spawns.find("ada", lab())
    if run is not None:
        await settled(run)
    return run


async def check_it_runs_or_is_gone(site, service, run):
    if run is None or run.gone:
        assert not {"Pod/lab", "Secret/lab"} & set(await site.objects())
    elif run.record.phase is Phase.RUNNING:
        assert (await site.read("Pod", "lab"))["metadata"]["uid"] == run.record.pod_uid
    else:
        assert run.record.reason.message.endswith(".")
        assert await site.objects(spawn=run.record.id) == {}


@pytest.mark.parametrize(("at", "when"), FIRST_SPAWN)
async def test_a_first_spawn_survives_the_death_of_the_service(apiserver, kube_site, at, when):
    await kill(apiserver, kube_site, "spawn", at, when)
    async with kube_site.service() as service:
        run = await after_restart(service)
        accepted = (at, when) != (0, "before")
        assert (run is not None) == accepted
        if run is not None:
            assert run.record.phase is Phase.RUNNING, run.record.reason
            assert run.record.request.env == {}
        await check_it_runs_or_is_gone(kube_site, service, run)
        again = await settled(await start(service, "next", replace=True))
        assert again.record.phase is Phase.RUNNING, again.record.reason


@pytest.mark.parametrize(("at", "when"), RESPAWN)
async def test_the_death_of_the_service_harms_nothing_else_of_the_user(apiserver, kube_site, at, when):
    async with kube_site.service() as service:
        other = await settled(await start(service, name="other"))
    claim = await kube_site.cluster.create(volume_claim(kube_site))
    await kill(apiserver, kube_site, "spawn", at, when)
    async with kube_site.service() as service:
        await check_it_runs_or_is_gone(kube_site, service, await after_restart(service))
        standing = service.spawns.find("ada", lab("other"))
        assert standing.record.phase is Phase.RUNNING
        assert (await kube_site.read("Pod", "lab-other"))["metadata"]["uid"] == other.record.pod_uid
        assert (await kube_site.read("PersistentVolumeClaim", "home"))["metadata"]["uid"] == claim["metadata"]["uid"]


@pytest.mark.parametrize(("first", "second"), TWICE)
async def test_a_spawn_survives_two_deaths(apiserver, kube_site, first, second):
    await kill(apiserver, kube_site, "spawn", first, "after")
    await kill(apiserver, kube_site, "recover", second, "before")
    async with kube_site.service() as service:
        run = await after_restart(service)
        assert run.record.phase is Phase.RUNNING, run.record.reason
        await check_it_runs_or_is_gone(kube_site, service, run)


@pytest.mark.parametrize(("at", "when"), STOP)
async def test_a_stop_that_was_accepted_is_carried_out_after_the_death_of_the_service(apiserver, kube_site, at, when):
    await kill(apiserver, kube_site, "stop", at, when)
    async with kube_site.service() as service:
        run = await after_restart(service)
        if (at, when) == (0, "before"):  # the order was never written down
            assert run.record.phase is Phase.RUNNING
        else:
            assert service.spawns.find("ada", lab()) is None
            assert not {"Pod/lab", "Secret/lab"} & set(await kube_site.objects())


@pytest.mark.parametrize(("at", "when"), PURGE)
async def test_a_purge_that_was_accepted_is_carried_out_after_the_death_of_the_service(apiserver, kube_site, at, when):
    kube_site.data["plugins"]["storage"] = {"retain": False}
    await kill(apiserver, kube_site, "purge", at, when)
    async with kube_site.service() as service:
        await after_restart(service)
        assert service.spawns.find("ada", lab()) is None
        assert await kube_site.objects("Pod", "Secret", "PersistentVolumeClaim") == {}


def volume_claim(site):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home", "namespace": site.namespace()},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
