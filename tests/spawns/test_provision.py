"""The site's orders: run before the lab, with the dossier, and with nothing of the caller's."""

from __future__ import annotations

import json

import pytest
import yaml

from spawnpenny.broker.orders import OrdersFile
from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.domain.users import Group, User
from spawnpenny.errors import SettingsError
from spawnpenny.testing.behaviours import Fail, Hold
from spawnpenny.testing.site import HUB, settled, start, stop

USER = Key("user", "")
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
        found |= {f"{kind}/{item['metadata']['name']}": item for item in listing.items}
    return {name: manifest for name, manifest in found.items() if name != "ConfigMap/kube-root-ca.crt"}


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


@pytest.mark.parametrize(
    ("reads", "quoted"),
    [
        ({}, True),
        ({"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}}}]}, False),
        ({"envFrom": [{"secretRef": {"name": "key", "optional": True}}]}, False),
    ],
    ids=["none", "a variable", "all variables"],
)
async def test_what_an_order_printed_is_quoted_only_where_it_reads_no_secret(embedded_site, ordered, reads, quoted):
    path = ordered(embedded_site, "echo printed-by-the-order; exit 4")
    order = yaml.safe_load(path.read_text())
    order["commission"][0] |= {"terminationMessagePolicy": "FallbackToLogsOnError", **reads}
    path.write_text(yaml.safe_dump(order))
    namespace = embedded_site.settings.namespaces.provision
    secret = {"metadata": {"name": "key", "namespace": namespace}, "stringData": {"key": "s3cr3t"}}
    await embedded_site.cluster.create({"apiVersion": "v1", "kind": "Secret", **secret})
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert "exit code 4" in run.record.reason.message
        assert ("printed-by-the-order" in run.record.reason.message) is quoted


async def test_another_dossier_or_another_order_provisions_again(site, ordered):
    path = ordered(site)
    async with site.service() as service:
        assert await provisioned(service, "one") == "done"
        assert await provisioned(service, "two") == "skipped"
        path.write_text(path.read_text().replace("'true'", "':'"))
        assert await provisioned(service, "three") == "done"
        await settled((await service.spawns.commission(ADA, identity=HUB)).run)
        assert await provisioned(service, "four") == "skipped"


async def test_the_same_dossier_runs_the_orders_again_after_they_were_edited_and_only_then(site, ordered):
    path = ordered(site)
    async with site.service() as service:
        first = await settled((await service.spawns.commission(ADA, identity=HUB)).run)
        assert not (await service.spawns.commission(ADA, identity=HUB)).new
        path.write_text(path.read_text().replace("'true'", "':'"))
        again = await service.spawns.commission(ADA, identity=HUB)
        assert again.new
        assert (await settled(again.run)).record.id != first.record.id
        assert again.run.record.phase is Phase.RUNNING, again.run.record.reason
        assert not (await service.spawns.commission(ADA, identity=HUB)).new
        path.write_text("commission: nonsense")
        assert not (await service.spawns.commission(ADA, identity=HUB)).new


async def test_an_order_with_a_volume_that_cannot_be_mounted_fails_at_once_and_says_so(embedded_site, ordered):
    path = ordered(embedded_site)
    path.write_text(path.read_text().replace("volumes: []", "volumes: [{name: homes, nfs: {server: s, path: /h}}]"))
    async with embedded_site.service() as service:
        run = await settled((await service.spawns.commission(ADA, identity=HUB)).run)
        assert "homes is of the kind nfs, which the embedded cluster cannot mount" in run.record.reason.message
    assert await orders(embedded_site) == {}


async def test_an_order_pulls_with_the_secrets_that_the_file_names(kube_site, hollow_node, ordered):
    path = ordered(kube_site)
    path.write_text(f"{path.read_text()}pullSecrets: [regcred, 'second.one']\n")
    hollow_node.behave({"spawnpenny.io/kind": "order"}, Hold())
    async with kube_site.service() as service:
        run = await start(service)
        async for event in run.events():
            if event.step == "user.provision":
                break
        pod = await until_created(kube_site, service)
        assert pod["spec"]["imagePullSecrets"] == [{"name": "regcred"}, {"name": "second.one"}]
        await kube_site_done(hollow_node, kube_site, pod)
        await settled(run)


@pytest.mark.parametrize(
    ("secrets", "message"),
    [("regcred", "pullSecrets"), ("[{name: regcred}]", "as a text"), ("[Reg_Cred]", "not the name of a Secret")],
)
def test_pull_secrets_that_are_no_names_are_refused_with_what_would_be_right(tmp_path, secrets, message):
    path = tmp_path / "m.yaml"
    path.write_text(f"pullSecrets: {secrets}")
    with pytest.raises(SettingsError, match=message):
        OrdersFile(str(path)).read()


async def test_an_order_that_a_killed_service_left_is_taken_up(kube_site, hollow_node, ordered):
    ordered(kube_site)
    hollow_node.behave({"spawnpenny.io/kind": "order"}, Hold())
    async with kube_site.service() as service:
        run = await start(service)
        async for event in run.events():
            if event.step == "user.provision":
                break
        pod = await until_created(kube_site, service)
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


async def until_created(site, service):
    namespace = site.settings.namespaces.provision
    return await service.service_context.pods.wait_for(
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
