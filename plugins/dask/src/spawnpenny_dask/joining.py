"""Workers that start beside their scheduler: they wait until they are sent its address."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

import aiohttp

from spawnpenny.api import Manifest, Spawn, SpawnpennyError
from spawnpenny_dask.objects import CONTROL_PORT, awaits_scheduler, pod_host
from spawnpenny_dask.plan import group_of, is_leaving, is_over, name_of
from spawnpenny_dask.workers import Fleet

_PATIENCE: Final = aiohttp.ClientTimeout(total=1)
_LOOK: Final = 0.5
"""Seconds between two looks at what is wanted: another step may have heard the news first."""
_AT_ONCE: Final = 32


async def start_beside(spawn: Spawn, fleet: Fleet, groups: Sequence[str]) -> None:
    """Make the workers that are wanted, until cancelled. What is refused is left to who looks after the cluster.

    The scheduler's pod comes first, so that it has the first of the room.
    """
    try:
        while not _scheduler_is_made(spawn):
            await spawn.changed(_LOOK)
        while spawn.blocked() is None:
            existing = Counter(map(group_of, fleet.pods()))
            short = {group: spawn.scale.of(group) - existing[group] for group in groups}
            for group, count in short.items():
                await fleet.start(max(0, count), group)
            if max(short.values(), default=0) <= 0:
                await spawn.changed(_LOOK)
    except SpawnpennyError:
        return
    finally:
        await fleet.settle()


async def send_address(
    session: aiohttp.ClientSession, scheduler: str, pods: Iterable[Manifest], token: str, *, but: Collection[str]
) -> None:
    """Send the scheduler's address to the workers that wait for it; ``but`` are those that have come to it."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def send(pod: Manifest) -> None:
        url = f"http://{pod_host(pod)}:{CONTROL_PORT}/scheduler"
        headers = {"Authorization": f"Bearer {token}"}
        with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):  # it is sent again
            async with (
                limit,
                session.post(
                    url, json={"scheduler": scheduler}, headers=headers, timeout=_PATIENCE, allow_redirects=False
                ),
            ):
                pass

    await asyncio.gather(*(send(pod) for pod in pods if _waits(pod) and name_of(pod) not in but))


def _waits(pod: Manifest) -> bool:
    return awaits_scheduler(pod) and bool(pod_host(pod)) and not is_leaving(pod) and not is_over(pod)


def _scheduler_is_made(spawn: Spawn) -> bool:
    return any(name_of(pod) == spawn.names.base for pod in spawn.cluster.pods())
