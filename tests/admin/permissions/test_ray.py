"""Ray clusters under the accounts that a deployment has: what the plugin declares is all that it needs."""

from __future__ import annotations

import asyncio

import pytest

from spawnpenny.domain.spawns import Key, Phase, Scale, SpawnRequest
from spawnpenny.testing.behaviours import Ready
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import HUB, settled, start

RAY = Key("ray", "r1")


@pytest.mark.parametrize("installation", [{"plugins": {"ray": {}}}], indirect=True)
async def test_a_cluster_and_the_way_to_it_need_no_other_rights_than_are_printed(installation, apiserver, hollow_node):
    hollow_node.behave("ray-*", Ready())
    before = apiserver.audit_position()
    async with installation.running() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        run = await settled((await service.spawns.start("ada", RAY, SpawnRequest("s1"), identity=HUB)).run)
        assert run.record.phase is Phase.RUNNING, run.record.reason
        await service.spawns.scale("ada", RAY, Scale(2))
        pods = service.service_context.pods
        async with asyncio.timeout(PATIENCE):
            with pods.subscribe() as changes:
                while len(pods.within(installation.site.namespace())) != 4:
                    await anext(changes)
        await (await service.spawns.stop("ada", RAY)).until_gone()
    entries = [entry for entry in apiserver.audit(before) if entry.user == installation.user_of("service")]
    inside = [entry for entry in entries if entry.namespace == installation.site.namespace()]
    assert {entry.verb for entry in inside if entry.resource == "services" and entry.authorized} == {"create"}
    refused = {(entry.verb, entry.resource) for entry in inside if not entry.authorized}
    assert not refused & {("create", "services"), ("patch", "services"), ("get", "secrets"), ("delete", "pods")}
