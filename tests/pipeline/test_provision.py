"""The site's orders: run before the lab, with the dossier, and with nothing of the caller's."""

from __future__ import annotations

import json

import pytest
import yaml

from spawnpenny.domain.spawns import Key, Kind, Phase
from spawnpenny.domain.users import Group, User
from spawnpenny.testing.behaviours import Fail, Hold
from spawnpenny.testing.site import HUB, settled, start, stop

USER = Key(Kind.USER, "")
ADA = User("ada", 2001, 2001, (Group("physics", 3001),))


@pytest.fixture
def ordered(tmp_path):
    """Give a site a commission order of two containers."""

    def give(site, *commands):
        containers = [
            {
                "name": f"c{number}",
                "image": "spawnpenny/shell",
                "args": ["-c", command],
                "env": [{"name": "DOSSIER", "value": "/opt/dossier/dossier.json"}],
            }
            for number, command in enumerate(commands or ("true", "true"))
        ]
        path = tmp_path / "m.yaml"
        path.write_text(yaml.safe_dump({"commission": containers, "volumes": []}))
        site.data["broker"] = {"orders": str(path)}
        return path

    return give


async def orders(site):
    """Return what is in the provisioning namespace."""
    namespace = site.settings.namespaces.provision
    found = {}
    for kind in ("Pod", "ConfigMap"):
        listing = await site.cluster.list(site.ref(kind, "x").resource, namespace=namespace)
        found |= {f"{kind}/{each['metadata']['name']}": each for each in listing.items}
    return {name: each for name, each in found.items() if name != "ConfigMap/kube-root-ca.crt"}


async def test_a_commissioned_user_is_provisioned_with_the_dossier(embedded_site, ordered, tmp_path):
    seen = tmp_path / "seen"
    ordered(embedded_site, f'cat "$DOSSIER" > {seen}', f"env >> {seen}.env")
    async with embedded_site.service() as service:
        run = await settled((await service.spawns.commission(ADA, identity=HUB)).run)
        assert run.record.phase is Phase.RUNNING, run.record.reason
        assert json.loads(seen.read_text()) == ADA.dossier()
        lab = await settled(await start(service, env={"SECRET_OF_THE_CALLER": "x"}))
        assert {step.name: step.state for step in lab.record.steps}["user.provision"] == "skipped"
        assert "SECRET_OF_THE_CALLER" not in seen.with_suffix(".env").read_text()
    assert await orders(embedded_site) == {}


async def test_a_failing_order_fails_the_spawn_with_its_container_and_code(site, hollow_node_if_kube, ordered):
    ordered(site, "true", "exit 4")
    hollow_node_if_kube({"spawnpenny.io/kind": "order"}, Fail(4))
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "provision_failed"
        assert "exit code 4" in run.record.reason.message
        assert await orders(site) == {}
        assert await site.objects("Pod", "Secret") == {}


async def test_another_dossier_or_another_order_provisions_again(site, ordered):
    path = ordered(site)
    async with site.service() as service:
        assert await provisioned(service, "one") == "done"
        assert await provisioned(service, "two") == "skipped"
        path.write_text(path.read_text().replace("'true'", "':'"))
        assert await provisioned(service, "three") == "done"
        await settled((await service.spawns.commission(ADA, identity=HUB)).run)
        assert await provisioned(service, "four") == "skipped"


async def test_an_order_that_a_killed_service_left_is_taken_up(kube_site, hollow_node, ordered):
    ordered(kube_site)
    hollow_node.behave({"spawnpenny.io/kind": "order"}, Hold())
    async with kube_site.service() as service:
        run = await start(service)
        async for event in run.events():
            if event.step == "user.provision":
                break
        pod = await until_there(kube_site, service)
    async with kube_site.service() as service:
        await kube_site_done(hollow_node, kube_site, pod)
        run = await settled(service.spawns.find("ada", run.record.key))
        assert run.record.phase is Phase.RUNNING, run.record.reason
    assert await orders(kube_site) == {}


async def provisioned(service, start_id):
    run = await settled(await start(service, start_id, replace=True))
    assert run.record.phase is Phase.RUNNING, run.record.reason
    state = {step.name: step.state for step in run.record.steps}["user.provision"]
    await stop(service)
    return state


async def until_there(site, service):
    namespace = site.settings.namespaces.provision
    return await service.world.pods.wait_for(
        namespace, "commission-ada", lambda pod: pod is not None and pod["spec"].get("nodeName") is not None
    )


async def kube_site_done(node, site, pod):
    await node.exit(site.settings.namespaces.provision, pod["metadata"]["name"])


@pytest.fixture
def hollow_node_if_kube(request, site):
    """Have pods fail on the hollow node; on the embedded cluster they fail by themselves."""
    if "kube" in request.node.callspec.params.values():
        return request.getfixturevalue("hollow_node").behave
    return lambda matcher, behaviour: None
