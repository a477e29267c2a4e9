"""One list and one watch of a kind, shared by all who want to know of its objects."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog

from spawnpenny.cluster.backoff import pauses
from spawnpenny.cluster.port import WatchEvent
from spawnpenny.errors import ExpiredError, SpawnpennyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from spawnpenny.cluster.kinds import Resource
    from spawnpenny.cluster.port import Cluster, Manifest

    Key = tuple[str | None, str]

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


class Subscription:
    """The changes since a subscription began, one after the other: ``async for event in subscription``.

    It holds what was not yet taken, without a limit: take it.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[WatchEvent] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        return self

    async def __anext__(self) -> WatchEvent:
        return await self._queue.get()

    def put(self, event: WatchEvent) -> None:
        self._queue.put_nowait(event)


class Informer:
    """Keeps the objects of a resource as the cluster has them.

    ``run`` does the work; until ``synced`` is set, that an object is not here says nothing. What it hands out
    is shared: do not change it. ``metadata.managedFields`` is left out, being half of an object, of no use.
    """

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        *,
        labels: Mapping[str, str] | None = None,
        namespace: str | None = None,
    ) -> None:
        self.synced = asyncio.Event()
        self._cluster = cluster
        self._resource = resource
        self._labels = dict(labels or {})
        self._namespace = namespace
        self._objects: dict[Key, Manifest] = {}
        self._version: str | None = None  # None: list first
        self._heard_at = -math.inf
        self._subscriptions: set[Subscription] = set()
        self._waiters: dict[Key, set[_Waiter]] = {}
        self._log = structlog.stdlib.get_logger(__name__).bind(resource=resource.plural)

    async def run(self) -> None:
        """Follow the cluster until cancelled; no failure ends it."""
        pause = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            heard_at = self._heard_at
            try:
                if self._version is None:
                    self._version = await self._relist()
                    heard_at = self._heard_at  # a list alone is no reason to come back at once
                if not await self._follow(self._version):
                    self._version = None  # a stream that ends without a word may have missed something
            except ExpiredError:
                self._log.info("informer_version_expired")
                self._version = None
            except SpawnpennyError as error:
                self._log.warning("informer_interrupted", reason=error.code, error=error.message)
            except Exception:  # noqa: BLE001 - an informer that ended would leave the service blind
                self._log.exception("informer_failed")
                self._version, heard_at = None, math.inf
            if self._heard_at > heard_at:
                pause = pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
                continue
            await asyncio.sleep(next(pause))

    def get(self, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it was last heard of, or None."""
        return self._objects.get((namespace, name))

    def items(self) -> tuple[Manifest, ...]:
        return tuple(self._objects.values())

    def staleness(self) -> float:
        """Return the seconds since the last word from the cluster; infinite before the first."""
        return time.monotonic() - self._heard_at

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Collect every change from now on, for as long as the context lasts.

        A list made again tells the differences as events, too. There are no bookmarks, and what is ADDED was
        not here before.
        """
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def wait_for(
        self, namespace: str | None, name: str, predicate: Callable[[Manifest | None], bool]
    ) -> Manifest | None:
        """Return the first state of an object that the predicate takes: the present one, or one that comes.

        None stands for the object's absence. Nothing is missed in between, and it waits for ``synced`` first;
        the caller sets a time limit.
        """
        await self.synced.wait()
        key = (namespace, name)
        present = self._objects.get(key)
        if predicate(present):
            return present
        waiter = _Waiter(predicate)
        self._waiters.setdefault(key, set()).add(waiter)
        try:
            return await waiter.state
        finally:
            waiters = self._waiters[key]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[key]

    async def _relist(self) -> str:
        listing = await self._cluster.list(self._resource, namespace=self._namespace, labels=self._labels)
        self._heard_at = time.monotonic()
        found = {_key(manifest): manifest for manifest in listing.items}
        for key in self._objects.keys() - found.keys():
            self._remove(key, self._objects[key])
        for manifest in found.values():
            self._keep(manifest)
        self.synced.set()
        return listing.version

    async def _follow(self, version: str) -> bool:
        """Take in one stream; return whether anything came."""
        heard = False
        changes = self._cluster.watch(self._resource, since=version, namespace=self._namespace, labels=self._labels)
        async for event in changes:
            heard = True
            self._heard_at = time.monotonic()
            match event.type:
                case "ADDED" | "MODIFIED":
                    self._keep(event.object)
                case "DELETED":
                    self._remove(_key(event.object), event.object)
                case "BOOKMARK":
                    pass
            self._version = event.version
        return heard

    def _keep(self, manifest: Manifest) -> None:
        key = _key(manifest)
        known = self._objects.get(key)
        if known is not None and _identity(known) != _identity(manifest):
            self._remove(key, known)  # another object of that name: the old one's end was not told
            known = None
        if known is not None and _version(known) == _version(manifest):
            return
        manifest["metadata"].pop("managedFields", None)
        self._objects[key] = manifest
        self._tell(key, WatchEvent("MODIFIED" if known is not None else "ADDED", manifest), manifest)

    def _remove(self, key: Key, last: Manifest) -> None:
        if self._objects.pop(key, None) is not None:
            last["metadata"].pop("managedFields", None)
            self._tell(key, WatchEvent("DELETED", last), None)

    def _tell(self, key: Key, event: WatchEvent, state: Manifest | None) -> None:
        for subscription in self._subscriptions:
            subscription.put(event)
        for waiter in self._waiters.get(key, ()):
            waiter.see(state)


class _Waiter:
    def __init__(self, predicate: Callable[[Manifest | None], bool]) -> None:
        self.state: asyncio.Future[Manifest | None] = asyncio.get_running_loop().create_future()
        self._predicate = predicate

    def see(self, state: Manifest | None) -> None:
        if self.state.done():
            return
        try:
            if self._predicate(state):
                self.state.set_result(state)
        except Exception as error:  # noqa: BLE001 - a fault of the one who waits, who is told; the others go on
            self.state.set_exception(error)


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return metadata.get("namespace"), metadata["name"]


def _identity(manifest: Manifest) -> Any:
    return manifest["metadata"].get("uid")


def _version(manifest: Manifest) -> Any:
    return manifest["metadata"].get("resourceVersion")
