"""Run several coroutines; cancel the rest when one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


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
