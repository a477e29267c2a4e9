"""The worker pods of one cluster: list, start and remove them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Final

from spawnpenny.api import DEFAULT_GROUP, PART, Manifest, Spawn, pod_is_ready
from spawnpenny_dask.plan import is_leaving, name_of

AT_ONCE: Final = 8
_LAG: Final = 10.0
"""Seconds after which a pod that was created and not heard of since does not count."""
_SETTLING: Final = 2.0
_LOOK: Final = 0.5


def worker_pods(spawn: Spawn) -> list[Manifest]:
    """Return the cached pods of the cluster's workers."""
    return [pod for pod in spawn.cluster.pods() if PART in pod["metadata"].get("labels", {})]


def _none(name: str, group: str) -> Manifest:
    raise LookupError(f"nothing says what {name} of {group} would be")


class Fleet:
    """The workers' pods in the cache, with the changes made since.

    ``make`` makes one of a name and group.
    """

    def __init__(self, spawn: Spawn, make: Callable[[str, str], Manifest] = _none) -> None:
        self._spawn = spawn
        self._make = make
        self._begun: dict[str, tuple[float, Manifest]] = {}
        self._removed: set[str] = set()

    def pods(self) -> list[Manifest]:
        """Return the existing pods, with those that were just made and are not in the cache yet."""
        heard = {name_of(pod): pod for pod in worker_pods(self._spawn)}
        oldest = time.monotonic() - _LAG
        for name in [name for name, (at, _) in self._begun.items() if name in heard or at < oldest]:
            del self._begun[name]
        self._removed &= {_uid(pod) for pod in heard.values()}
        new = [pod for _, pod in self._begun.values()]
        return [*(pod for pod in heard.values() if _uid(pod) not in self._removed), *new]

    def scheduler_is_ready(self) -> bool:
        """Return whether the cluster itself says that the scheduler answers."""
        return any(name_of(pod) == self._spawn.names.base and pod_is_ready(pod) for pod in self._spawn.cluster.pods())

    async def start(self, count: int, group: str = DEFAULT_GROUP) -> None:
        """Start some of a group, side by side.

        Raises:
            Exception: Why one could not be started; the others are.

        """
        await _all_of([self._start(group) for _ in range(min(count, AT_ONCE))])

    async def remove(self, pods: Collection[Manifest]) -> None:
        """Delete pods; those that are gone are fine.

        Raises:
            ClusterError: One was refused; the others are deleted.

        """
        limit = asyncio.Semaphore(AT_ONCE)
        await _all_of([self._remove(pod, limit) for pod in pods])

    async def discard(self) -> None:
        """Delete all, and return when they are gone."""
        while worker_pods(self._spawn):
            await self.remove([pod for pod in self.pods() if not is_leaving(pod)])
            await self._spawn.changed(_LOOK)

    async def settle(self) -> None:
        """Return when the cache has all objects that were made, so that a deletion sees them."""
        end = time.monotonic() + _SETTLING
        self.pods()
        while self._begun and time.monotonic() < end:
            await self._spawn.changed(0.1)
            self.pods()

    async def _start(self, group: str) -> None:
        name = self._spawn.names.own(f"w-{secrets.token_hex(4)}")
        pod = self._make(name, group)
        self._begun[name] = (time.monotonic(), pod)  # before it is made: a cancellation hides what came of it
        try:
            self._begun[name] = (time.monotonic(), await self._spawn.cluster.ensure(pod))
        except Exception:
            del self._begun[name]
            raise

    async def _remove(self, pod: Manifest, limit: asyncio.Semaphore) -> None:
        async with limit:
            await self._spawn.cluster.remove(pod)
        self._begun.pop(name_of(pod), None)
        self._removed.add(_uid(pod))


async def _all_of(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Do it all, side by side, then raise what went wrong first."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result


def _uid(pod: Manifest) -> str:
    uid: str = pod["metadata"].get("uid", "")
    return uid
