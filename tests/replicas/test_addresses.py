"""A lab whose pod changes its address: the replica that owns the user follows, and so does the one that takes over."""

from __future__ import annotations

import asyncio

from spawnpenny.testing.behaviours import make_status, terminated
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


async def move(site, hollow_node, address):
    pod = await site.read("Pod", "lab")
    status = make_status(pod, "Running", RUNNING, ready=True, restarts=1, last=terminated(255, "Unknown"))
    await hollow_node.set_status(site.namespace(), "lab", status | {"podIP": address, "podIPs": [{"ip": address}]})


async def until_at(run, address):
    async with asyncio.timeout(PATIENCE):
        while run.record.url != f"http://{address}:8888/":
            await run.bell.next().wait()


def moves(run):
    return [event.message for event in run.record.log.since(None) if "another address" in event.message]


async def test_a_new_address_outlives_the_replica_that_followed_it_and_the_next_one_is_followed(
    kube_site, hollow_node, taken_over
):
    async with kube_site.service("b") as two:
        async with kube_site.service("a") as one:
            run = await settled(await start(one))
            await two.membership.ownership.wait_for_other_owner("ada")
            await move(kube_site, hollow_node, "10.9.9.8")
            await until_at(run, "10.9.9.8")
        standing = await taken_over(two)
        assert (standing.record.url, len(moves(standing))) == ("http://10.9.9.8:8888/", 1)
        await move(kube_site, hollow_node, "10.9.9.9")
        await until_at(standing, "10.9.9.9")
        assert len(moves(standing)) == 2


async def test_an_address_that_changed_while_the_user_moved_is_followed(kube_site, hollow_node, taken_over):
    async with kube_site.service("b") as two:
        async with kube_site.service("a") as one:
            await settled(await start(one))
            await two.membership.ownership.wait_for_other_owner("ada")
            await move(kube_site, hollow_node, "10.9.9.9")  # by whichever of them comes to see it
        standing = await taken_over(two)
        await until_at(standing, "10.9.9.9")
        assert len(moves(standing)) == 1
