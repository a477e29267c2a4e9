"""What is remembered of tokens stays small, and nobody takes an answer from another."""

from __future__ import annotations

import asyncio

import pytest
from spawnpenny_jupyterhub.memory import MOST_ASKED, MOST_BY_ONE, Memory

from spawnpenny.api import NotReadyError


async def test_tokens_that_nobody_knows_do_not_push_out_those_that_are_known(clock):
    memory, asked = Memory(60, clock, size=20), []

    async def ask(token):
        asked.append(token)
        return "ada" if token == "adas" else None

    assert await memory.recall("adas", ask) == "ada"
    for number in range(100):
        assert await memory.recall(f"tried-{number}", ask) is None
    assert await memory.recall("adas", ask) == "ada"
    assert asked.count("adas") == 1
    assert len(memory) == 3


async def test_the_least_used_of_too_many_gives_way(clock):
    memory, asked = Memory(60, clock, size=10), []

    async def ask(token):
        asked.append(token)
        return token

    for number in range(10):
        await memory.recall(str(number), ask)
    for token in ("0", "10", "0", "1"):
        await memory.recall(token, ask)
    assert asked == [*(str(number) for number in range(10)), "10", "1"]
    assert len(memory) == 10


async def test_who_goes_away_takes_the_answer_from_nobody_else(clock):
    memory, begun, answer, asked = Memory(60, clock), asyncio.Event(), asyncio.Event(), []

    async def ask(token):
        asked.append(token)
        begun.set()
        await answer.wait()
        return "ada"

    first = asyncio.create_task(memory.recall("adas", ask))
    second = asyncio.create_task(memory.recall("adas", ask))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()
    assert await second == "ada"
    assert asked == ["adas"]


async def test_an_answer_counts_from_the_moment_of_asking_and_a_failure_is_not_kept(clock):
    memory, asked = Memory(60, clock), []

    async def slow(token):
        asked.append(token)
        clock.now += 40
        return "ada"

    async def fail(token):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await memory.recall("adas", fail)
    await memory.recall("adas", slow)
    clock.now += 19
    await memory.recall("adas", slow)
    clock.now += 1
    await memory.recall("adas", slow)
    assert asked == ["adas", "adas"]


async def test_tokens_that_are_made_up_are_asked_for_few_at_a_time(clock):
    memory, answer, asked = Memory(60, clock), asyncio.Event(), []

    async def ask(token):
        asked.append(token)
        await answer.wait()
        return token

    flood = [asyncio.create_task(memory.recall(f"made-up-{each}", ask, asker="192.0.2.1")) for each in range(100)]
    others = [asyncio.create_task(memory.recall(f"other-{each}", ask, asker=f"10.0.0.{each}")) for each in range(100)]
    again = asyncio.create_task(memory.recall("other-0", ask, asker="10.0.0.99"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (len(asked), len([token for token in asked if token.startswith("made-up")])) == (MOST_ASKED, MOST_BY_ONE)
    answer.set()
    told = await asyncio.gather(*flood, *others, again, return_exceptions=True)
    refused = [each for each in told if isinstance(each, NotReadyError)]
    assert (len(refused), refused[0].retry_after, told[-1]) == (200 - MOST_ASKED, 1, "other-0")
    assert await memory.recall("made-up-99", ask, asker="192.0.2.1") == "made-up-99"
