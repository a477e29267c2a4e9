"""Waiting for tasks to end, also when the waiter itself is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def settle(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Return when all tasks have ended, whatever their outcome.

    A cancellation that arrives meanwhile is raised after that.
    """
    cancelled: asyncio.CancelledError | None = None
    pending = {task for task in tasks if not task.done()}
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
            pending = {task for task in pending if not task.done()}
    if cancelled is not None:
        raise cancelled


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await work that must not be cancelled half-way: a cancellation is raised once the work has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await settle({task})
        if not task.cancelled():
            task.exception()  # marks it as retrieved; the caller gets the cancellation
        raise
