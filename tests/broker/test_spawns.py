"""Spawns with a separate broker: the calls that they need, and spawns without it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace

import pytest
import yaml

from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.status import BrokerStatus
from spawnpenny.domain.broker_errors import BrokerUnavailableError
from spawnpenny.domain.spawns import Phase
from spawnpenny.domain.users import Group, User
from spawnpenny.testing.behaviours import Hold
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import HUB, settled, start, stop

ADA = User("ada", 2001, 2001, (Group("physics", 3001),))


def write_orders(folder, command="true"):
    containers = [{"name": "c", "image": "spawnpenny/shell", "args": ["-c", command]}]
    path = folder / "m.yaml"
    path.write_text(yaml.safe_dump({"commission": containers}))
    return path


@pytest.fixture
def orders(separated, tmp_path):
    """Give the site an order, and return a function that changes it."""
    separated.data["broker"]["orders"] = str(write_orders(tmp_path))
    return lambda command: write_orders(tmp_path, command)


async def test_the_calls_of_a_first_spawn_and_of_a_respawn(apiserver, kube_site):
    kube_site.separate = True
    async with kube_site.broker(), kube_site.service() as service:
        position = apiserver.audit_position()
        run = await settled(await start(service, env={"A": "b"}))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        await stop(service)
        first = counted(apiserver, position)
        position = apiserver.audit_position()
        await settled(await start(service, "again"))
        respawn = counted(apiserver, position)
    delete = ["update secrets", "delete pods", "delete secrets", "update secrets"]
    assert sorted(first) == sorted(
        [
            "create secrets",
            "create configmaps",  # the request
            "create namespaces",
            "create rolebindings",
            "patch configmaps",  # its answer
            "delete configmaps",
            "create resourcequotas",
            "create limitranges",
            "create networkpolicies",
            "create configmaps",
            "create secrets",
            "create pods",
            "update secrets",
            *delete,
        ]
    )
    assert len(first) - len(delete) <= 14
    assert respawn == ["update secrets", "create secrets", "create pods", "update secrets"]


def counted(apiserver, position):
    entries = apiserver.audit(position, user_agent="spawnpenny/")
    return [
        f"{entry.verb} {entry.resource}"
        for entry in entries
        if entry.verb not in {"list", "watch"} and entry.resource != "leases"
    ]


async def test_without_a_broker_a_first_spawn_fails_plainly_and_respawns_go_on(separated):
    async with separated.broker(), separated.service() as service:
        assert (await settled(await start(service))).record.phase is Phase.RUNNING
        await stop(service)
    separated.data["broker"] = {"timeout": 1}
    async with separated.service() as service:  # it starts again, and there is no broker
        assert (await settled(await start(service, "again"))).record.phase is Phase.RUNNING
        run = await settled(await start(service, user="bob"))
        assert run.record.phase is Phase.FAILED
        assert run.record.reason.code == "broker_unavailable"
        assert "does not answer" in run.record.reason.message
        async with separated.broker():
            run = await settled(await start(service, "next", user="bob"))
            assert run.record.phase is Phase.RUNNING, run.record.reason


async def test_a_service_that_has_never_heard_of_a_broker_says_so(separated):
    separated.data["broker"] = {"timeout": 0.2}
    async with separated.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "broker_unavailable"
        assert "has not started yet" in run.record.reason.message


async def test_the_brokers_own_settings_are_those_that_count(separated):
    async with separated.broker():
        theirs = replace(separated, data=separated.data | {"broker": {"account": "another", "orders": None}})
        async with run_broker_client(separated.cluster, theirs.settings) as broker:
            await broker.claim_namespace("ada")
            binding = await separated.read("RoleBinding", "spawnpenny-tenant.spawnpenny.spawnpenny")
            assert binding["subjects"][0]["name"] == "spawnpenny"
        async with run_broker_client(separated.cluster, separated.settings) as same:
            assert same.namespace_hash() == broker.namespace_hash()


async def test_changed_orders_are_reported_in_the_status(separated, orders):
    async with separated.broker(), run_broker_client(separated.cluster, separated.settings) as broker:
        first = broker.order_hash("commission")
        with broker._maps.subscribe() as changes:
            orders(":")
            async for event in changes:
                if event.object["metadata"]["name"] == "broker-status":
                    break
        assert broker.order_hash("commission") not in {first, ""}
        assert broker.order_hash("retire") == ""


async def test_the_same_dossier_runs_orders_again_that_were_changed_where_the_broker_is(separated, orders):
    async with separated.broker(), separated.service() as service:
        first = await settled((await service.spawns.commission(ADA, identity=HUB)).run)
        assert not (await service.spawns.commission(ADA, identity=HUB)).new
        with service.service_context.broker._broker._maps.subscribe() as changes:
            orders(":")
            async for event in changes:
                if event.object["metadata"]["name"] == "broker-status":
                    break
        again = await service.spawns.commission(ADA, identity=HUB)
        assert (again.new, first.record.phase) == (True, Phase.RUNNING)
        await settled(again.run)


async def test_a_deleted_status_is_written_again(separated):
    async with separated.broker(), run_broker_client(separated.cluster, separated.settings) as broker:
        known = broker.namespace_hash()
        space = separated.settings.namespaces.state
        with broker._maps.subscribe() as changes:
            await separated.cluster.delete(separated.ref("ConfigMap", "broker-status", space))
            async for event in changes:
                assert broker.namespace_hash() == known
                if event.type != "DELETED" and BrokerStatus.read(event.object) is not None:
                    break


async def test_before_the_status_is_written_nothing_is_known(separated):
    separated.data["broker"] = {"timeout": 0.2}
    async with run_broker_client(separated.cluster, separated.settings) as broker:
        with pytest.raises(BrokerUnavailableError):
            broker.namespace_hash()


async def test_an_order_is_joined_by_who_asks_again_and_outlives_its_waiter(kube_site, hollow_node, tmp_path):
    kube_site.data["broker"] = {"orders": str(write_orders(tmp_path))}
    hollow_node.behave({"spawnpenny.io/kind": "order"}, Hold())
    space = kube_site.settings.namespaces.provision
    async with kube_site.broker() as server, run_broker_client(kube_site.cluster, kube_site.settings) as broker:
        with server._pods.subscribe() as pods:
            first = asyncio.create_task(broker.provision(ADA, "commission"))
            async for event in pods:
                if event.object["spec"].get("nodeName"):
                    break
        first.cancel()
        second = asyncio.create_task(broker.provision(ADA, "commission"))
        taken = set()
        with broker._maps.subscribe() as maps:
            async for event in maps:
                if "taken" in event.object.get("data", {}):
                    taken.add(event.object["metadata"]["name"])
                if len(taken) == 2:
                    break
        (pod,) = server._pods.items()
        await hollow_node.exit(space, pod["metadata"]["name"])
        await second
        assert server._pods.items() == ()


@dataclass
class Recording(FaultyCluster):
    """A cluster that records all writes, except for those of Secrets."""

    written: list = field(default_factory=list)

    async def create(self, manifest, resource=None):
        if manifest["kind"] != "Secret":
            self.written.append(json.dumps(manifest))
        return await super().create(manifest, resource)

    async def patch(self, ref, patch):
        self.written.append(json.dumps(patch))
        return await super().patch(ref, patch)


async def test_no_claim_order_or_answer_has_anything_of_the_callers_environment(separated, orders):
    separated.cluster = recording = Recording(separated.cluster)
    async with separated.broker(), separated.service() as service:
        run = await settled(await start(service, env={"JUPYTER_TOKEN": "s3cr3t"}))
        assert run.record.phase is Phase.RUNNING, run.record.reason
    whole = "\n".join(recording.written)
    assert "commission-ada" in whole
    assert "s3cr3t" not in whole
    assert "JUPYTER_TOKEN" not in "\n".join(text for text in recording.written if '"name": "lab"' not in text)
