"""What is remembered of tokens stays small, and nobody takes an answer from another."""

from __future__ import annotations

import asyncio

import pytest
from spawnpenny_jupyterhub.memory import Memory


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
