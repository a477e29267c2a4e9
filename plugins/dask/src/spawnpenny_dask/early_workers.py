"""Workers that start at the same time as their scheduler, and wait until the service sends them its address."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

import aiohttp

from spawnpenny.api import (
    Manifest,
    Spawn,
    SpawnpennyError,
    WorkerPods,
    pod_is_leaving,
    pod_is_lost,
    pod_name,
    worker_group,
)
from spawnpenny_dask.pod_manifest import CONTROL_PORT, pod_host
from spawnpenny_dask.worker_pod import awaits_scheduler

_PATIENCE: Final = aiohttp.ClientTimeout(total=1)
_LOOK: Final = 0.5
"""Seconds between two checks of the desired workers, as another step may have received the change first."""
_AT_ONCE: Final = 32


async def start_early(spawn: Spawn, workers: WorkerPods, groups: Sequence[str]) -> None:
    """Create the desired workers until cancelled. After a refusal, stop and leave them to the supervisor.

    The scheduler's pod is created first, so that the workers do not take its part of the quota.
    """
    try:
        while not _scheduler_exists(spawn):
            await spawn.changed(_LOOK)
        while spawn.blocked() is None:
            existing = Counter(map(worker_group, workers.pods()))
            short = {group: spawn.scale.of(group) - existing[group] for group in groups}
            for group, count in short.items():
                await workers.start(max(0, count), group)
            if max(short.values(), default=0) <= 0:
                await spawn.changed(_LOOK)
    except SpawnpennyError:
        return
    finally:
        await workers.settle()


async def send_address(
    session: aiohttp.ClientSession, scheduler: str, pods: Iterable[Manifest], token: str, *, joined: Collection[str]
) -> None:
    """Send the scheduler's address to the workers that wait for it, except to those that have ``joined``."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def send(pod: Manifest) -> None:
        url = f"http://{pod_host(pod)}:{CONTROL_PORT}/scheduler"
        headers = {"Authorization": f"Bearer {token}"}
        with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):  # the supervisor sends it again
            async with (
                limit,
                session.post(
                    url, json={"scheduler": scheduler}, headers=headers, timeout=_PATIENCE, allow_redirects=False
                ),
            ):
                pass

    await asyncio.gather(*(send(pod) for pod in pods if _waits(pod) and pod_name(pod) not in joined))


def _waits(pod: Manifest) -> bool:
    return awaits_scheduler(pod) and bool(pod_host(pod)) and not pod_is_leaving(pod) and not pod_is_lost(pod)


def _scheduler_exists(spawn: Spawn) -> bool:
    return any(pod_name(pod) == spawn.names.base for pod in spawn.cluster.pods())
