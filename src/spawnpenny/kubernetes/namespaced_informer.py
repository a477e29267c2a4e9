"""One list and one watch in each user namespace, for a service that may not read the whole cluster."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.aio.faults import Faults
from spawnpenny.kubernetes.list_watch import Followed, Follower
from spawnpenny.kubernetes.object_cache import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.kubernetes.interface import Manifest

MOST: Final = 500
"""Namespaces up to which this way of reading is meant: each has an open connection."""
_LISTS_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class _Place:
    """A followed namespace, with its uid: another namespace of that name is followed anew."""

    uid: str
    follower: Follower
    task: asyncio.Task[None]


class NamespacedInformer(Watched):
    """Cache the objects of a resource in each of ``namespaces``.

    ``synced`` is set once each namespace that exists at first is listed, or has refused a list: a broken one must not
    delay the others. Beyond ``MOST`` namespaces it logs a warning, and follows them all the same.

    Args:
        followed: The objects to follow in each of them.
        namespaces: The informer of the namespaces; the caller runs it.
        mine: Return whether to follow a namespace.
        faults: Counts the namespaces that cannot be handled.

    """

    def __init__(
        self,
        followed: Followed,
        namespaces: Watched,
        mine: Callable[[Manifest], bool],
        faults: Faults | None = None,
    ) -> None:
        super().__init__()
        self._followed = followed
        self._namespaces = namespaces
        self._mine = mine
        self._places: dict[str, _Place] = {}
        self._gate = asyncio.Semaphore(_LISTS_AT_ONCE)
        self._warned = False
        self._faults = faults or Faults()
        self._log = structlog.stdlib.get_logger("spawnpenny.kubernetes.informer").bind(
            resource=followed.resource.plural
        )

    async def run(self) -> None:
        self._places.clear()  # the followers of an earlier run ended with it
        with self._namespaces.subscribe() as changes:
            await self._namespaces.synced.wait()
            async with asyncio.TaskGroup() as tasks:
                for namespace in self._namespaces.items():
                    self._look_alone(namespace["metadata"]["name"], tasks)
                _ = tasks.create_task(self._sync([place.follower for place in self._places.values()]))
                async for change in changes:
                    self._look_alone(change.object["metadata"]["name"], tasks)

    def staleness(self) -> float:
        """Return the seconds since the last answer of the namespace that has been silent for longest.

        A namespace that could never be read does not count; the log has a warning about it.
        """
        silences = [place.follower.staleness() for place in self._places.values()]
        return max([self._namespaces.staleness(), *filter(math.isfinite, silences)])

    def doubt(self, namespace: str | None) -> None:
        place = self._places.get(namespace or "")
        if place is not None:
            place.follower.doubt()
        else:
            self._namespaces.doubt(None)

    def _look_alone(self, name: str, tasks: asyncio.TaskGroup) -> None:
        """Handle one namespace; an error does not affect the others."""
        with self._faults.isolated("namespace", name):
            self._look(name, tasks)

    def _look(self, name: str, tasks: asyncio.TaskGroup) -> None:
        """Follow a namespace if it still exists: a change may be over when it is handled."""
        existing = self._namespaces.get(None, name)
        uid = existing["metadata"]["uid"] if existing is not None and self._mine(existing) else None
        place = self._places.get(name)
        if place is not None and place.uid != uid:
            del self._places[name]
            place.task.cancel()
            place.follower.answered.set()  # nobody has to wait for it
            self.take_list(name, ())
        if uid is not None and name not in self._places:
            follower = Follower(replace(self._followed, namespace=name), self, gate=self._gate)
            self._places[name] = _Place(uid, follower, tasks.create_task(follower.run()))
        self._warn()

    async def _sync(self, followers: list[Follower]) -> None:
        for follower in followers:
            await follower.answered.wait()
        self.synced.set()

    def _warn(self) -> None:
        too_many = len(self._places) > MOST
        if too_many and not self._warned:
            self._log.warning("too_many_namespaces_to_read_one_by_one", namespaces=len(self._places), most=MOST)
        self._warned = too_many
