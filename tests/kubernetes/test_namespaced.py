"""One watch in each namespace of ours."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog

from spawnpenny.kubernetes.errors import ClusterForbiddenError, UnavailableError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Listing, WatchEvent
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.list_watch import Followed
from spawnpenny.kubernetes.namespaced_informer import MOST, NamespacedInformer
from spawnpenny.testing.patience import PATIENCE

POD, NAMESPACE = resource_of("Pod"), resource_of("Namespace")


def namespace(name, uid="1", version="1"):
    return {"kind": "Namespace", "metadata": {"name": name, "uid": uid, "resourceVersion": version}}


def pod(where, name="lab", uid="1"):
    return {"kind": "Pod", "metadata": {"namespace": where, "name": name, "uid": uid, "resourceVersion": "1"}}


class Places:
    """A cluster with namespaces and one pod in each of them, as far as the informers call it."""

    def __init__(self, names):
        self.names = list(names)
        self.events = asyncio.Queue()
        self.refused, self.watching = {}, set()
        self.listing, self.most_at_once = 0, 0

    async def list(self, resource, *, namespace=None, labels=None):
        if resource == NAMESPACE:
            return Listing(tuple(globals()["namespace"](name) for name in self.names), "1")
        if namespace in self.refused:
            raise self.refused[namespace]
        self.listing += 1
        self.most_at_once = max(self.most_at_once, self.listing)
        await asyncio.sleep(0)
        self.listing -= 1
        return Listing((pod(namespace),), "1")

    async def watch(self, resource, *, since, namespace=None, labels=None):
        self.watching.add(namespace)
        try:
            while resource == NAMESPACE:
                yield await self.events.get()
            await asyncio.Event().wait()
        finally:
            self.watching.discard(namespace)


@asynccontextmanager
async def running(places):
    namespaces = Informer(places, NAMESPACE)
    pods = NamespacedInformer(Followed(places, POD), namespaces, lambda pod: pod["metadata"]["name"] != "foreign")
    tasks = [asyncio.create_task(informer.run()) for informer in (namespaces, pods)]
    try:
        async with asyncio.timeout(PATIENCE):
            yield pods
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert not places.watching


async def test_it_knows_the_pods_of_all_namespaces_that_are_ours():
    async with running(Places(["a", "b", "foreign"])) as pods:
        await pods.synced.wait()
        assert {pod["metadata"]["namespace"] for pod in pods.items()} == {"a", "b"}
        assert pods.staleness() < 20


async def test_without_any_namespace_it_knows_that_there_is_nothing():
    async with running(Places([])) as pods:
        await pods.synced.wait()
        assert pods.items() == ()


async def test_a_namespace_that_comes_is_watched_and_one_that_goes_takes_its_pods_along():
    places = Places(["a"])
    async with running(places) as pods:
        await pods.synced.wait()
        places.events.put_nowait(WatchEvent("ADDED", namespace("b", version="2")))
        await pods.wait_for("b", "lab", lambda found: found is not None)
        places.events.put_nowait(WatchEvent("DELETED", namespace("a", version="3")))
        await pods.wait_for("a", "lab", lambda found: found is None)


async def test_a_namespace_made_anew_is_listed_anew():
    places = Places(["a"])
    async with running(places) as pods:
        await pods.synced.wait()
        with pods.subscribe() as changes:
            places.events.put_nowait(WatchEvent("MODIFIED", namespace("a", uid="2", version="2")))
            assert [(await anext(changes)).type for _ in range(2)] == ["DELETED", "ADDED"]


async def test_a_namespace_that_refuses_does_not_hold_up_the_others():
    places = Places(["a", "b"])
    places.refused["a"] = ClusterForbiddenError("No.")
    async with running(places) as pods:
        await pods.synced.wait()
        await pods.wait_for("b", "lab", lambda found: found is not None)
        assert pods.get("a", "lab") is None
        assert pods.staleness() < 20
        places.refused.clear()
        pods.doubt("a")
        await pods.wait_for("a", "lab", lambda found: found is not None)


async def test_what_does_not_answer_is_not_known():
    places = Places(["a", "b"])
    places.refused["a"] = UnavailableError("Not now.")
    async with running(places) as pods:
        with pods.subscribe() as changes:
            assert (await anext(changes)).object == pod("b")
        assert not pods.synced.is_set()
        places.refused.clear()
        await pods.synced.wait()


@pytest.mark.parametrize(("count", "warnings"), [(MOST, 0), (MOST + 1, 1)])
async def test_too_many_namespaces_are_watched_all_the_same_with_a_warning(count, warnings):
    places = Places([f"n{number}" for number in range(count)])
    with structlog.testing.capture_logs() as logs:
        async with running(places) as pods:
            await pods.synced.wait()
            assert len(pods.items()) == count
    assert len([log for log in logs if log["event"].startswith("too_many")]) == warnings
    assert places.most_at_once <= 20
