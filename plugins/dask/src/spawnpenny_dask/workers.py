"""The worker pods of one cluster: plan, start and remove them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from spawnpenny.api import DEFAULT_GROUP, PART, WORKER_GROUP, Manifest, Spawn, pod_is_lost, pod_is_ready

AT_ONCE: Final = 8
_LAG: Final = 10.0
"""Seconds after which a created pod no longer counts that the cache has not got."""
_SETTLING: Final = 2.0
_LOOK: Final = 0.5
Registered = Mapping[str, str]
"""The status of the workers that the scheduler knows, by name."""


def worker_pods(spawn: Spawn) -> list[Manifest]:
    """Return the cached pods of the cluster's workers."""
    return [pod for pod in spawn.cluster.pods() if PART in pod["metadata"].get("labels", {})]


def _no_manifest(name: str, group: str) -> Manifest:
    raise LookupError(f"no manifest for the worker {name} of the group {group}")


class WorkerPods:
    """The worker pods of one cluster: those in the cache, with the changes made since.

    ``make`` returns the manifest of a worker by its name and group.
    """

    def __init__(self, spawn: Spawn, make: Callable[[str, str], Manifest] = _no_manifest) -> None:
        self._spawn = spawn
        self._make = make
        self._started: dict[str, tuple[float, Manifest]] = {}
        self._removed: set[str] = set()

    def pods(self) -> list[Manifest]:
        """Return the pods of the cache, without removed ones, and the new pods that are not in the cache yet."""
        heard = {name_of(pod): pod for pod in worker_pods(self._spawn)}
        oldest = time.monotonic() - _LAG
        for name in [name for name, (at, _) in self._started.items() if name in heard or at < oldest]:
            del self._started[name]
        self._removed &= {_uid(pod) for pod in heard.values()}
        new = [pod for _, pod in self._started.values()]
        return [*(pod for pod in heard.values() if _uid(pod) not in self._removed), *new]

    def scheduler_is_ready(self) -> bool:
        """Return whether Kubernetes reports the scheduler's pod as ready."""
        return any(name_of(pod) == self._spawn.names.base and pod_is_ready(pod) for pod in self._spawn.cluster.pods())

    async def start(self, count: int, group: str = DEFAULT_GROUP) -> None:
        """Start workers of a group, at most ``AT_ONCE``, at the same time.

        Raises:
            Exception: One could not start; the others did.

        """
        await _all_of([self._start(group) for _ in range(min(count, AT_ONCE))])

    async def remove(self, pods: Collection[Manifest]) -> None:
        """Delete pods. It is no error if some are gone.

        Raises:
            ClusterError: Kubernetes refused one; the others are deleted.

        """
        limit = asyncio.Semaphore(AT_ONCE)
        await _all_of([self._remove(pod, limit) for pod in pods])

    async def discard(self) -> None:
        """Delete all pods, and wait until they are gone."""
        while worker_pods(self._spawn):
            await self.remove([pod for pod in self.pods() if not is_leaving(pod)])
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
        self._started.pop(name_of(pod), None)
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


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of workers to start, the pods to delete, and the number of workers for the scheduler to retire."""

    start: int = 0
    remove: tuple[Manifest, ...] = ()
    retire: int = 0

    @property
    def settled(self) -> bool:
        return self == Plan()


def plan(desired: int, pods: Sequence[Manifest], registered: Registered | None, lost: Collection[str] = ()) -> Plan:
    """Return the actions that bring the workers to a desired number.

    Of surplus pods, those that never joined the scheduler go first, the newest before older ones. The scheduler chooses
    among the others. Pods of ``lost`` workers are replaced, although they have not ended. ``registered`` is None if the
    scheduler does not answer: then no pod is removed that may have work.
    """
    here = [pod for pod in pods if not is_leaving(pod)]
    over = tuple(pod for pod in here if is_over(pod) or name_of(pod) in lost)
    staying = [pod for pod in here if pod not in over and not _retires(pod, registered)]
    surplus = len(staying) - desired
    if surplus <= 0:
        return Plan(start=-surplus, remove=over)
    idle = sorted((pod for pod in staying if _never_worked(pod, registered)), key=_age, reverse=True)[:surplus]
    return Plan(remove=(*over, *idle), retire=surplus - len(idle) if registered is not None else 0)


def name_of(pod: Manifest) -> str:
    name: str = pod["metadata"]["name"]
    return name


def group_of(pod: Manifest) -> str:
    group: str = pod["metadata"].get("labels", {}).get(WORKER_GROUP, DEFAULT_GROUP)
    return group


def age_of(pod: Manifest) -> float:
    """Return the age of a pod in seconds."""
    created = pod["metadata"].get("creationTimestamp")
    return time.time() - datetime.fromisoformat(created).timestamp() if created else 0.0


def is_leaving(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_over(pod: Manifest) -> bool:
    """Return whether a worker will not work again, so that another one replaces it."""
    return pod_is_lost(pod)


def _retires(pod: Manifest, registered: Registered | None) -> bool:
    """Return whether the scheduler is retiring a worker, which then ends by itself."""
    return (registered or {}).get(name_of(pod), "").startswith("clos")


def _never_worked(pod: Manifest, registered: Registered | None) -> bool:
    if registered is None:
        return _phase(pod) == "Pending"
    return name_of(pod) not in registered


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp", ""), name_of(pod)


def _phase(pod: Manifest) -> str:
    phase: str = pod.get("status", {}).get("phase", "Pending")
    return phase
