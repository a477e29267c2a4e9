"""How an informer follows a cluster that interrupts it."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, suppress

import pytest

from spawnpenny.kubernetes.errors import ExpiredError, UnavailableError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Listing, WatchEvent
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.patience import PATIENCE

CONFIG_MAP = resource_of("ConfigMap")
FOREVER = asyncio.Event()


def thing(name, version, uid="1", **data):
    metadata = {"namespace": "ns", "name": name, "resourceVersion": str(version), "uid": uid}
    return {"kind": "ConfigMap", "metadata": metadata, "data": data}


class Script:
    """The part of a cluster that an informer uses, by the book: lists and streams in the order given."""

    def __init__(self, lists, streams):
        self.lists, self.streams = lists, streams
        self.calls = []

    async def list(self, resource, *, namespace=None, labels=None):
        self.calls.append("list")
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Listing(
            tuple(answer), str(max([int(manifest["metadata"]["resourceVersion"]) for manifest in answer] or [1]))
        )

    async def watch(self, resource, *, since, namespace=None, labels=None):
        self.calls.append(f"watch {since}")
        for event in self.streams.pop(0) if self.streams else [FOREVER]:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, asyncio.Event):
                await event.wait()
            else:
                yield event


@asynccontextmanager
async def running(lists, streams=()):
    cluster = Script(list(lists), list(streams))
    informer = Informer(cluster, CONFIG_MAP)
    informer.script = cluster
    run = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield informer
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


def exists(manifest):
    return manifest is not None


async def test_before_the_first_list_nothing_is_known():
    informer = Informer(Script([], []), CONFIG_MAP)
    assert not informer.synced.is_set()
    assert informer.staleness() == math.inf


async def test_a_list_is_what_is_there():
    async with running([[thing("a", 3)]]) as informer:
        await informer.synced.wait()
        assert informer.get("ns", "a") == thing("a", 3)
        assert informer.items() == (thing("a", 3),)
        assert informer.staleness() < 5


async def test_waiting_begins_with_the_present_state():
    async with running([[thing("a", 3)]]) as informer:
        assert await informer.wait_for("ns", "a", exists) == thing("a", 3)
        assert await informer.wait_for("ns", "b", lambda manifest: manifest is None) is None


async def test_waiting_sees_each_state_even_a_short_one():
    events = [WatchEvent("MODIFIED", thing("a", version, n=str(version))) for version in (4, 5, 6)]
    begin = asyncio.Event()
    async with running([[thing("a", 3)]], [[begin, *events, FOREVER]]) as informer:
        await informer.synced.wait()
        waiting = informer.wait_for("ns", "a", lambda manifest: bool(begin.set()) or manifest["data"].get("n") == "5")
        assert (await waiting)["data"] == {"n": "5"}


async def test_a_predicate_that_fails_tells_the_one_who_waits():
    async with running([[]], [[WatchEvent("ADDED", thing("a", 4)), FOREVER]]) as informer:
        with pytest.raises(ZeroDivisionError):
            await informer.wait_for("ns", "a", lambda manifest: manifest is not None and 1 / 0)


async def test_a_stream_that_ends_goes_on_from_its_last_version():
    streams = [[WatchEvent("ADDED", thing("a", 4))], [WatchEvent("ADDED", thing("b", 5)), FOREVER]]
    async with running([[]], streams) as informer:
        await informer.wait_for("ns", "b", exists)
        assert informer.script.calls == ["list", "watch 1", "watch 4"]


async def test_a_bookmark_moves_the_version_and_is_no_change():
    bookmark = WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    streams = [[bookmark], [WatchEvent("ADDED", thing("b", 10)), FOREVER]]
    async with running([[]], streams) as informer:
        await informer.wait_for("ns", "b", exists)
        assert informer.script.calls == ["list", "watch 1", "watch 9"]


@pytest.mark.parametrize("stream", [[ExpiredError("too old")], []], ids=["expired", "empty"])
async def test_a_stream_that_may_have_missed_something_means_to_list_again(stream):
    async with running([[], [thing("a", 8)]], [stream]) as informer:
        await informer.wait_for("ns", "a", exists)
        assert informer.script.calls[:3] == ["list", "watch 1", "list"]


async def test_a_list_made_again_tells_the_differences():
    before = [thing("kept", 2), thing("changed", 2), thing("gone", 2), thing("other", 2)]
    after = [thing("kept", 2), thing("changed", 8), thing("new", 8), thing("other", 8, uid="2")]
    async with running([before, after], [[ExpiredError("too old")]]) as informer:
        with informer.subscribe() as changes:
            seen = {
                (event.type, event.object["metadata"]["name"]) for event in [await anext(changes) for _ in range(9)]
            }
    assert seen == {
        *(("ADDED", name) for name in ("kept", "changed", "gone", "other", "new")),
        ("MODIFIED", "changed"),
        ("DELETED", "gone"),
        ("DELETED", "other"),
    }


@pytest.mark.parametrize("error", [UnavailableError("reset"), RuntimeError("a bug")])
async def test_no_failure_ends_it(error):
    async with running([error, [], [thing("a", 8)]], [[error], [ExpiredError("too old")]]) as informer:
        assert await informer.wait_for("ns", "a", exists)


async def test_a_subscription_ends_with_its_context():
    async with running([[]], [[FOREVER]]) as informer:
        with informer.subscribe():
            pass
        assert not informer._subscriptions


async def test_it_follows_a_real_cluster(kit):
    informer = Informer(kit.cluster, CONFIG_MAP, namespace=kit.namespace, labels={"mark": "x"})
    run = asyncio.create_task(informer.run())
    async with asyncio.timeout(PATIENCE):
        await kit.cluster.create(kit.config("a", {"mark": "x"}))
        made = await informer.wait_for(kit.namespace, "a", exists)
        assert "managedFields" not in made["metadata"]
    run.cancel()
    await asyncio.wait([run])
