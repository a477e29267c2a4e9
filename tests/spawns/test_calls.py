"""How many calls to the Kubernetes API a spawn costs, counted by the API server itself."""

from __future__ import annotations

import asyncio

from spawnpenny.domain.names import DEFAULT_LAB
from spawnpenny.domain.spawns import Phase, Tls
from spawnpenny.testing.site import lab, make_site, settled, start, stop


async def test_the_calls_of_a_lab_from_first_spawn_to_last_delete(kube_site, counted):
    async with kube_site.service() as service:
        with counted() as first:
            run = await settled(await start(service, env={"A": "b"}))
            assert run.record.phase is Phase.RUNNING
        with counted() as status:
            for _ in range(10):
                service.spawns.find("ada", lab())
        with counted() as delete:
            await stop(service)
        with counted() as respawn:
            await settled(await start(service, "again"))
    assert sorted(first) == sorted(
        [
            "create secrets",
            "create namespaces",
            "create rolebindings",
            "create resourcequotas",
            "create limitranges",
            "create networkpolicies",
            "create configmaps",
            "create secrets",
            "create pods",
            "update secrets",
        ]
    )
    assert status == []
    assert delete == ["update secrets", "delete pods", "delete secrets", "update secrets"]
    assert respawn == ["update secrets", "create secrets", "create pods", "update secrets"]


async def test_a_second_lab_of_a_user_costs_no_more_than_a_respawn(kube_site, counted):
    async with kube_site.service() as service:
        await settled(await start(service, name=DEFAULT_LAB))
        with counted() as second:
            await settled(await start(service, name="second"))
    assert len(second) == 4


async def test_a_certificate_costs_a_secret_and_a_service(kube_site, counted):
    kube_site.data["plugins"]["lab"] = {"internal_ssl": True}
    async with kube_site.service() as service:
        await settled(await start(service, name=DEFAULT_LAB))
        with counted() as secure:
            run = await settled(await start(service, name="secure", tls=Tls("a key", "a certificate", "an authority")))
            assert run.record.phase is Phase.RUNNING
        with counted() as delete:
            await stop(service, name="secure")
    assert sorted(secure) == ["create pods", *["create secrets"] * 2, "create services", *["update secrets"] * 2]
    assert sorted(delete) == ["delete pods", *["delete secrets"] * 2, "delete services", *["update secrets"] * 2]


async def test_labs_that_run_cost_nothing_but_the_leases(kubernetes_cluster, hollow_node, apiserver, until_no_claims):
    site = await make_site(kubernetes_cluster, broker="separate")
    site.data |= {"replicas": {"lease": 6}, "broker": {"lease": 6}}
    users = [f"user{number}" for number in range(50)]
    async with site.broker() as broker, site.service() as service:
        runs = await asyncio.gather(*(start(service, user=user) for user in users))
        await asyncio.gather(*(settled(run) for run in runs))
        await until_no_claims(broker)
        position = apiserver.audit_position()
        with service.membership.leases.subscribe() as renewals:
            for _ in range(3):
                await anext(renewals)
                for user in users:
                    run = service.spawns.find(user, lab())
                    assert [event async for event in run.events()]
        entries = apiserver.audit(position, user_agent="spawnpenny/")
    calls = [f"{entry.verb} {entry.resource}" for entry in entries]
    assert set(calls) == {"update leases"}
    assert len(calls) >= 3
