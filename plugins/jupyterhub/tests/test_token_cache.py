"""What is remembered of tokens stays small, and nobody takes an answer from another."""

from __future__ import annotations

import asyncio

import pytest
from spawnpenny_jupyterhub.lookup_queue import AT_ONCE, MOST_WAITING
from spawnpenny_jupyterhub.token_cache import MOST_LOOKUPS, TokenCache

from spawnpenny.api import NotReadyError


async def test_tokens_that_nobody_knows_do_not_push_out_those_that_are_known(clock):
    memory, requested = TokenCache(60, clock, size=20), []

    async def ask(token):
        requested.append(token)
        return "ada" if token == "adas" else None

    assert await memory.lookup("adas", ask) == "ada"
    for number in range(100):
        assert await memory.lookup(f"tried-{number}", ask) is None
    assert await memory.lookup("adas", ask) == "ada"
    assert requested.count("adas") == 1
    assert len(memory) == 3


async def test_the_least_used_of_too_many_gives_way(clock):
    memory, requested = TokenCache(60, clock, size=10), []

    async def ask(token):
        requested.append(token)
        return token

    for number in range(10):
        await memory.lookup(str(number), ask)
    for token in ("0", "10", "0", "1"):
        await memory.lookup(token, ask)
    assert requested == [*(str(number) for number in range(10)), "10", "1"]
    assert len(memory) == 10


async def test_who_goes_away_takes_the_answer_from_nobody_else(clock):
    memory, started, answer, requested = TokenCache(60, clock), asyncio.Event(), asyncio.Event(), []

    async def ask(token):
        requested.append(token)
        started.set()
        await answer.wait()
        return "ada"

    first = asyncio.create_task(memory.lookup("adas", ask))
    second = asyncio.create_task(memory.lookup("adas", ask))
    await started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()
    assert await second == "ada"
    assert requested == ["adas"]


async def test_an_answer_counts_from_the_moment_of_asking_and_a_failure_is_not_kept(clock):
    memory, requested = TokenCache(60, clock), []

    async def slow(token):
        requested.append(token)
        clock.now += 40
        return "ada"

    async def fail(token):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await memory.lookup("adas", fail)
    await memory.lookup("adas", slow)
    clock.now += 19
    await memory.lookup("adas", slow)
    clock.now += 1
    await memory.lookup("adas", slow)
    assert requested == ["adas", "adas"]


@pytest.fixture
def hub():
    """Have a Hub that knows one user's token, and answers when it is let to."""

    class Hub:
        def __init__(self):
            self.requests, self.open = [], asyncio.Event()
            self.open.set()

        async def owner(self, token):
            self.requests.append(token)
            await self.open.wait()
            return token if token.startswith("good") else None

    return Hub()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def flood(memory, hub, count, remote="192.0.2.1"):
    return [
        asyncio.create_task(memory.lookup(f"made-up-{number}", hub.owner, remote=remote)) for number in range(count)
    ]


async def test_made_up_tokens_are_asked_for_few_at_a_time_and_only_so_many_wait(clock, hub):
    memory = TokenCache(60, clock)
    hub.open.clear()
    tasks = flood(memory, hub, AT_ONCE + MOST_WAITING + 50)
    await settle()
    assert len(hub.requests) == AT_ONCE
    hub.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [entry for entry in results if isinstance(entry, NotReadyError)]
    assert {entry.retry_after for entry in refused} == {1}
    assert len(hub.requests) == len(tasks) - len(refused) <= AT_ONCE + MOST_WAITING


async def test_a_token_that_was_good_gets_in_through_a_flood_from_its_own_address(clock, hub):
    memory = TokenCache(60, clock)
    assert await memory.lookup("good", hub.owner, remote="192.0.2.1") == "good"
    clock.now += 61  # the answer has expired
    hub.open.clear()
    tasks = flood(memory, hub, 2000)
    await settle()
    known = asyncio.create_task(memory.lookup("good", hub.owner, remote="192.0.2.1"))
    await settle()
    assert hub.requests[-1] == "good"
    hub.open.set()
    assert await known == "good"
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_new_token_waits_its_turn_behind_a_flood_from_its_own_address(clock, hub):
    memory = TokenCache(60, clock)
    hub.open.clear()
    tasks = flood(memory, hub, 100)
    new = asyncio.create_task(memory.lookup("good-new", hub.owner, remote="192.0.2.1"))
    await settle()
    hub.open.set()
    assert await new == "good-new"
    assert await asyncio.gather(*tasks) == [None] * 100


async def test_who_fails_much_leaves_half_of_the_line_to_others(clock, hub):
    memory = TokenCache(60, clock)
    await asyncio.gather(*flood(memory, hub, 100))
    clock.now += 6  # what was refused is forgotten; that it failed is not
    hub.open.clear()
    tasks = flood(memory, hub, AT_ONCE + MOST_WAITING)
    await settle()
    other = asyncio.create_task(memory.lookup("good-other", hub.owner, remote="192.0.2.2"))
    await settle()
    hub.open.set()
    assert await other == "good-other"
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(entry, NotReadyError) for entry in results) == MOST_WAITING // 2


async def test_tokens_that_were_good_have_a_bound_of_their_own(clock, hub):
    memory, tokens = TokenCache(60, clock), [f"good-{number}" for number in range(MOST_LOOKUPS + 5)]
    await asyncio.gather(*(memory.lookup(token, hub.owner) for token in tokens))
    clock.now += 61
    hub.open.clear()
    tasks = [asyncio.create_task(memory.lookup(token, hub.owner)) for token in tokens]
    await settle()
    hub.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(entry, NotReadyError) for entry in results) == 5


async def test_a_token_that_was_revoked_is_refused_at_once_all_the_same(clock):
    memory, answers = TokenCache(60, clock), ["ada", None, None]

    async def ask(token):
        return answers.pop(0)

    assert await memory.lookup("adas", ask) == "ada"
    clock.now += 61
    assert await memory.lookup("adas", ask) is None
    assert await memory.lookup("adas", ask) is None
    assert answers == [None]
