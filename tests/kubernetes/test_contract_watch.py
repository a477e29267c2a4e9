"""What every cluster behind the port tells a watcher."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest

from spawnpenny.kubernetes.errors import ExpiredError, SilentStreamError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.patience import PATIENCE

CONFIG_MAP = resource_of("ConfigMap")
FUTURE = str(10**15)


async def take(stream, count):
    """Take so many events, bookmarks apart, and tell of each its type, its object's name and its data."""
    taken = []
    async with asyncio.timeout(PATIENCE), aclosing(stream) as events:
        async for event in events:
            if event.type != "BOOKMARK" and event.object["metadata"]["name"] != "kube-root-ca.crt":
                taken.append((event.type, event.object["metadata"]["name"], event.object.get("data")))
            if len(taken) == count:
                break
    return taken


async def here(kit):
    return (await kit.cluster.list(CONFIG_MAP, namespace=kit.namespace)).version


async def test_a_watch_tells_what_happened_since_a_version(kit):
    since = await here(kit)
    ref = Ref.of(await kit.cluster.create(kit.config(a="1")))
    await kit.cluster.patch(ref, {"data": {"a": "2"}})
    await kit.cluster.delete(ref)
    assert await take(kit.cluster.watch(CONFIG_MAP, since=since, namespace=kit.namespace), 3) == [
        ("ADDED", "c", {"a": "1"}),
        ("MODIFIED", "c", {"a": "2"}),
        ("DELETED", "c", {"a": "2"}),
    ]


async def test_a_watch_tells_what_happens_while_it_lasts(kit):
    stream = kit.cluster.watch(CONFIG_MAP, since=await here(kit), namespace=kit.namespace)
    taking = asyncio.create_task(take(stream, 1))
    await kit.cluster.create(kit.config(a="1"))
    assert await taking == [("ADDED", "c", {"a": "1"})]


async def test_a_watch_goes_on_after_the_version_that_it_is_given(kit):
    first = await kit.cluster.create(kit.config("first"))
    await kit.cluster.create(kit.config("second"))
    stream = kit.cluster.watch(CONFIG_MAP, since=first["metadata"]["resourceVersion"], namespace=kit.namespace)
    assert [name for _, name, _ in await take(stream, 1)] == ["second"]


async def test_a_watch_keeps_to_its_namespace(kit):
    stream = kit.cluster.watch(CONFIG_MAP, since=await here(kit), namespace=kit.namespace)
    elsewhere = kit.config(f"elsewhere-{kit.namespace}")
    elsewhere["metadata"]["namespace"] = "default"
    await kit.cluster.create(elsewhere)
    await kit.cluster.create(kit.config("here"))
    assert [name for _, name, _ in await take(stream, 1)] == ["here"]


async def test_what_enters_a_selector_is_added_and_what_leaves_it_is_deleted(kit):
    since = await here(kit)
    ref = Ref.of(await kit.cluster.create(kit.config()))
    for labels in ({"mark": "x"}, {"more": "y"}, {"mark": None}):
        await kit.cluster.patch(ref, {"metadata": {"labels": labels}})
    stream = kit.cluster.watch(CONFIG_MAP, since=since, namespace=kit.namespace, labels={"mark": "x"})
    assert [kind for kind, _, _ in await take(stream, 3)] == ["ADDED", "MODIFIED", "DELETED"]


async def test_a_version_that_is_too_old_is_reported(kit):
    resource, version = await kit.forgotten()
    with pytest.raises(ExpiredError):
        await take(kit.cluster.watch(resource, since=version), 1)


async def test_a_watch_from_a_version_of_the_future_comes_to_an_end_without_a_word(kit):
    """As after a restore of the store. Some servers refuse it, some end it, and current ones say nothing for ever."""
    taken = []
    with suppress(ExpiredError, SilentStreamError):
        async with asyncio.timeout(PATIENCE), aclosing(kit.impatient.watch(CONFIG_MAP, since=FUTURE)) as events:
            taken += [event async for event in events]
    assert taken == []


async def test_an_informer_at_a_version_of_the_future_lists_anew(kit):
    informer = Informer(kit.impatient, CONFIG_MAP, namespace=kit.namespace)
    informer._follower._version = FUTURE
    following = asyncio.create_task(informer.run())
    async with asyncio.timeout(PATIENCE):
        await kit.cluster.create(kit.config("first"))
        await informer.wait_for(kit.namespace, "first", lambda seen: seen is not None)
        await kit.cluster.create(kit.config("second"))
        await informer.wait_for(kit.namespace, "second", lambda seen: seen is not None)
    assert int(informer._follower._version) < int(FUTURE)
    following.cancel()
    await asyncio.wait({following})
