"""Many labs at once, on the real API server and with a broker that is asked by claims.

SPAWNPENNY_TEST_ALL=1 has 500 of them.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import spawnpenny
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.spawns.maintenance.expiry import expire_history
from spawnpenny.testing.behaviours import PullError
from spawnpenny.testing.site import lab, make_site, settled, start, stop

MANY = 500 if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else 100
LONG = 600
"""Seconds: the broker, all replicas and the node share one event loop here, and each would have its own elsewhere."""
SHARED = ("ResourceQuota", "LimitRange", "NetworkPolicy", "ConfigMap")


@pytest.fixture
async def cluster(apiserver):
    async with await KubernetesCluster.connect(str(apiserver.kubeconfig), timeout=LONG, patience=LONG) as cluster:
        yield cluster


@pytest.fixture
async def crowded(cluster, hollow_node):
    """Have a site with a separate broker, where the image of each user whose name begins with ``bad`` is missing."""
    site = await make_site(cluster, broker="separate")
    site.data |= {
        "broker": {"lease": LONG, "timeout": LONG, "expiry": LONG},
        "replicas": {"lease": LONG},
        "deadlines": {"spawn": LONG, "step": LONG},
    }
    installation = site.settings.installation
    missing = PullError(reason="ErrImageNeverPull", message="the image is not there")

    def is_bad(pod):
        carried = pod["metadata"].get("labels", {})
        return carried.get(labels.INSTALLATION) == installation and carried[labels.USER].startswith("bad")

    hollow_node.behave(is_bad, missing)
    return site


def users_of(number, bad=0):
    return [f"bad{n}" if n < bad else f"user{n}" for n in range(number)]


async def theirs(site, kind):
    """Count what there is of a kind in the namespaces of users, by namespace."""
    spaces, mine = site.settings.namespaces, labels.ours(site.settings.installation)
    listing = await site.cluster.list(resource_of(kind), labels=mine)
    found = Counter(item["metadata"]["namespace"] for item in listing.items)
    return {name: count for name, count in found.items() if name not in {spaces.state, spaces.provision}}


async def bring_up(services, users, start_id):
    """Start everybody's lab at once, each through the next service in turn; return the spawns by user."""
    places = {user: services[n % len(services)] for n, user in enumerate(users)}
    runs = await asyncio.gather(*(start(place, start_id, user=user) for user, place in places.items()))
    await asyncio.gather(*(settled(run) for run in runs))
    return places, dict(zip(users, runs, strict=True))


async def take_down(places):
    await asyncio.gather(*(stop(service, user=user) for user, service in places.items()))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("replicas", [1, 2])
async def test_many_labs_at_once_all_end_right(crowded, replicas):
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(crowded.broker())
        services = [await stack.enter_async_context(crowded.service(f"r{n}")) for n in range(replicas)]
        users = users_of(MANY, bad=MANY // 10)
        good = [user for user in users if user.startswith("user")]
        places, runs = await bring_up(services, users, "first")
        once = {crowded.namespace(user): 1 for user in good}
        for user, run in runs.items():
            if user in good:
                assert run.record.phase is Phase.RUNNING, run.record.reason
            else:
                assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, "image_unavailable")
                assert run.record.reverted
        assert await theirs(crowded, "Pod") == once
        assert await theirs(crowded, "Secret") == once
        assert {user for service in services for user, _ in own_labs(service)} == set(users)
        await take_down({user: places[user] for user in good})
        assert await theirs(crowded, "Pod") == await theirs(crowded, "Secret") == {}
        for kind in SHARED:
            assert await theirs(crowded, kind) == dict.fromkeys(map(crowded.namespace, users), 1)


def own_labs(service):
    return [(user_state.username, run) for user_state, run in service.spawns.all(lab().kind)]


SERVICE = str(Path(spawnpenny.__file__).parent)
KIT = str(Path(spawnpenny.__file__).parent / "testing")
PARTS = tuple(f"spawnpenny.{part}." for part in ("domain", "auth", "replicas", "broker", "pipeline", "spawns"))


def our_tasks():
    """Return the tasks of our own code, but for those of the test kit."""
    files = {task: task.get_coro().cr_code.co_filename for task in asyncio.all_tasks()}
    return {task for task, file in files.items() if file.startswith(SERVICE) and not file.startswith(KIT)}


def kept():
    """Count what is in memory; what belongs to a call or a stream comes and goes, and does not count."""
    gc.collect()
    kinds = [type(value) for value in gc.get_objects()]
    objects = Counter(kind.__qualname__ for kind in kinds if f"{kind.__module__}.".startswith(PARTS))
    return objects, Counter(task.get_coro().__qualname__ for task in our_tasks())


def in_an_hour(service_context):
    """Return the service context with which everything that is over is history."""
    deadlines = replace(service_context.settings.deadlines, history=0)
    return replace(service_context, settings=replace(service_context.settings, deadlines=deadlines))


async def come_and_go(service, users, quiet):
    """Have labs start, run or fail, end, be forgotten, and their users let go of."""
    standing = our_tasks()
    places, runs = await bring_up([service], users, "first")
    assert {run.record.phase for run in runs.values()} == {Phase.RUNNING, Phase.FAILED}
    await take_down({user: place for user, place in places.items() if user.startswith("user")})
    user_registry = service.spawns._user_registry
    await expire_history(in_an_hour(service.service_context), user_registry)
    await asyncio.gather(*(run.until_gone() for run in runs.values()))
    await service.maintenance.idle.release()
    assert list(user_registry) == []
    await quiet()
    if more := our_tasks() - standing:
        await asyncio.wait(more)


async def test_memory_and_tasks_return_to_where_they_were_when_all_is_over_and_forgotten(crowded, until_no_claims):
    crowded.data["housekeeping"] = {"idle": 0.001}
    async with crowded.broker() as broker, crowded.service() as service:
        quiet = partial(until_no_claims, broker)
        await come_and_go(service, [f"{user}-before" for user in users_of(4, bad=1)], quiet)
        before = kept()
        await come_and_go(service, users_of(20, bad=4), quiet)
        assert kept() == before
