"""Ends work in good order when the process is asked to end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run_until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Run work to its end, and return whether it came there.

    The first SIGINT or SIGTERM cancels it; what it then cleans up is waited for, and further signals change nothing.
    """
    return asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, None]) -> bool:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    asked = False

    def ask() -> None:
        nonlocal asked
        if not asked:
            asked = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
    return not asked
