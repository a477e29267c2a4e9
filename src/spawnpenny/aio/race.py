"""Run several coroutines; cancel the rest when one ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from spawnpenny.aio.settle import settle


async def until_first(*works: Coroutine[Any, Any, Any], seconds: float | None = None) -> None:
    """Run works until one of them ends, or so many seconds are over; cancel the others. No error comes of it."""
    tasks = {asyncio.ensure_future(work) for work in works}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
    finally:
        for task in tasks:
            task.cancel()
        # Gathered, so that no error of a caller who went away is left unlooked at.
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def after_a_while(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run work beside the context, once that has lasted for some seconds; cancel it at the end of the context.

    An error of the work is logged and does no other harm.
    """

    async def later() -> None:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # noqa: BLE001 - a courtesy
            structlog.get_logger("spawnpenny.pipeline").warning("the events of a pod cannot be reported", exc_info=True)

    task = asyncio.create_task(later())
    try:
        yield
    finally:
        task.cancel()
        await settle({task})  # and raises a cancellation of the context itself that arrives meanwhile
