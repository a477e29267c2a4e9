"""The death of the leading broker, by SIGKILL, at each of its calls that changes something."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from spawnpenny.domain.spawns import Phase
from spawnpenny.testing.site import settled, start

VICTIM = Path(__file__).with_name("victim.py")
# create Namespace, create RoleBinding, patch the request
FIRST_SPAWN = [(at, when) for at in range(3) for when in ("before", "after")]
# also: create and delete the order's ConfigMap and pod, patch its request
WITH_ORDER = [(at, when) for at in range(8) for when in ("before", "after")]
if os.environ.get("SPAWNPENNY_TEST_ALL") != "1":
    WITH_ORDER = [(2, "after"), (4, "before"), (5, "after"), (7, "before")]  # the others take a minute more


@asynccontextmanager
async def doomed(apiserver, site, at, when):
    """Run a broker that leads, and is killed at that call; check at the end that it is dead."""
    arguments = {"kubeconfig": str(apiserver.kubeconfig), "data": site.data, "at": at, "when": when}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(VICTIM), json.dumps(arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert await process.stdout.readline() != b""
        yield
        assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def site(kube_site):
    kube_site.separate = True
    kube_site.data["broker"] = {"lease": 2}
    return kube_site


async def check_a_spawn_survives(apiserver, site, at, when):
    async with doomed(apiserver, site, at, when), site.broker(), site.service() as service:
        run = await settled(await start(service))
        if run.record.phase is not Phase.RUNNING:
            assert run.record.reason.code == "broker_unavailable"
            run = await settled(await start(service, "next"))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        uid = (await site.read("Namespace", site.namespace()))["metadata"]["uid"]
        assert service.spawns.user_state("ada").record.namespace == uid
        assert await site.read("RoleBinding", "spawnpenny-tenant.spawnpenny.spawnpenny") is not None


@pytest.mark.parametrize(("at", "when"), FIRST_SPAWN)
async def test_a_first_spawn_survives_the_death_of_the_broker(apiserver, site, at, when):
    await check_a_spawn_survives(apiserver, site, at, when)


@pytest.mark.parametrize(("at", "when"), WITH_ORDER)
async def test_an_order_survives_the_death_of_the_broker(apiserver, site, tmp_path, at, when):
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump({"commission": [{"name": "c", "image": "spawnpenny/shell"}]}))
    site.data["broker"]["orders"] = str(path)
    await check_a_spawn_survives(apiserver, site, at, when)
    pods = await site.cluster.list(site.ref("Pod", "x").resource, namespace=site.settings.namespaces.provision)
    assert pods.items == ()
