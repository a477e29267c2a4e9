"""The worker pods of one spawn of a kind that scales: start and remove them, and read them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import datetime
from typing import Final

from spawnpenny.domain.labels import PART, WORKER_GROUP
from spawnpenny.domain.spawns import DEFAULT_GROUP
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.status import is_ready
from spawnpenny.pipeline.spawn import Spawn

_AT_ONCE: Final = 8
_LAG: Final = 10.0
"""Seconds after which a created pod no longer counts that the cache has not got."""
_SETTLING: Final = 2.0
_LOOK: Final = 0.5


def worker_pods(spawn: Spawn) -> list[Manifest]:
    """Return the cached pods of a spawn's workers."""
    return [pod for pod in spawn.cluster.pods() if PART in pod["metadata"].get("labels", {})]


def _no_manifest(name: str, group: str) -> Manifest:
    raise LookupError(f"no manifest for the worker {name} of the group {group}")


class WorkerPods:
    """The worker pods of one spawn: those in the cache, with the changes made since.

    ``make`` returns the manifest of a worker by its name and group.
    """

    def __init__(self, spawn: Spawn, make: Callable[[str, str], Manifest] = _no_manifest) -> None:
        self._spawn = spawn
        self._make = make
        self._started: dict[str, tuple[float, Manifest]] = {}
        self._removed: set[str] = set()

    def pods(self) -> list[Manifest]:
        """Return the pods of the cache, without removed ones, and the new pods that are not in the cache yet."""
        heard = {pod_name(pod): pod for pod in worker_pods(self._spawn)}
        oldest = time.monotonic() - _LAG
        for name in [name for name, (at, _) in self._started.items() if name in heard or at < oldest]:
            del self._started[name]
        self._removed &= {_uid(pod) for pod in heard.values()}
        new = [pod for _, pod in self._started.values()]
        return [*(pod for pod in heard.values() if _uid(pod) not in self._removed), *new]

    def main_pod_is_ready(self) -> bool:
        """Return whether Kubernetes reports the main pod of the spawn as ready."""
        return any(pod_name(pod) == self._spawn.names.base and is_ready(pod) for pod in self._spawn.cluster.pods())

    async def start(self, count: int, group: str = DEFAULT_GROUP) -> None:
        """Start workers of a group, at most 8, at the same time.

        Raises:
            Exception: One could not start; the others did.

        """
        await _all_of([self._start(group) for _ in range(min(count, _AT_ONCE))])

    async def remove(self, pods: Collection[Manifest]) -> None:
        """Delete pods. It is no error if some are gone.

        Raises:
            ClusterError: Kubernetes refused one; the others are deleted.

        """
        limit = asyncio.Semaphore(_AT_ONCE)
        await _all_of([self._remove(pod, limit) for pod in pods])

    async def discard(self) -> None:
        """Delete all pods, and wait until they are gone."""
        while worker_pods(self._spawn):
            await self.remove([pod for pod in self.pods() if not pod_is_leaving(pod)])
            await self._spawn.changed(_LOOK)

    async def settle(self) -> None:
        """Wait until the cache has all new pods, so that a deletion sees them."""
        end = time.monotonic() + _SETTLING
        self.pods()
        while self._started and time.monotonic() < end:
            await self._spawn.changed(0.1)
            self.pods()

    async def _start(self, group: str) -> None:
        name = self._spawn.names.own(f"w-{secrets.token_hex(4)}")
        pod = self._make(name, group)
        self._started[name] = (time.monotonic(), pod)  # before it is created, as a cancellation hides the result
        try:
            self._started[name] = (time.monotonic(), await self._spawn.cluster.ensure(pod))
        except Exception:
            del self._started[name]
            raise

    async def _remove(self, pod: Manifest, limit: asyncio.Semaphore) -> None:
        async with limit:
            await self._spawn.cluster.remove(pod)
        self._started.pop(pod_name(pod), None)
        self._removed.add(_uid(pod))


async def _all_of(coroutines: Iterable[Coroutine[None, None, None]]) -> None:
    """Run all, and raise the first error after all have ended."""
    done = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result


def _uid(pod: Manifest) -> str:
    uid: str = pod["metadata"].get("uid", "")
    return uid


def pod_name(pod: Manifest) -> str:
    """Return the name of a pod."""
    name: str = pod["metadata"]["name"]
    return name


def pod_age(pod: Manifest) -> float:
    """Return the age of a pod in seconds."""
    created = pod["metadata"].get("creationTimestamp")
    return time.time() - datetime.fromisoformat(created).timestamp() if created else 0.0


def pod_is_leaving(pod: Manifest) -> bool:
    """Return whether a pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def worker_group(pod: Manifest) -> str:
    """Return the name of the worker group of a worker's pod."""
    group: str = pod["metadata"].get("labels", {}).get(WORKER_GROUP, DEFAULT_GROUP)
    return group
