"""Cache of the objects of a resource, with subscriptions to its changes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spawnpenny.aio.pacing import Pace
from spawnpenny.kubernetes.interface import WatchEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from spawnpenny.kubernetes.interface import Manifest

    Key = tuple[str | None, str]


class Subscription:
    """The changes since a subscription began, one after the other: ``async for event in subscription``.

    It keeps all changes until they are taken, without a limit.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        self._pace = Pace()

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        return self

    async def __anext__(self) -> WatchEvent:
        await self._pace.step()  # a queue that is not empty never waits
        return await self._queue.get()

    def put(self, event: WatchEvent) -> None:
        self._queue.put_nowait(event)


class Watched(ABC):
    """The objects of a resource as the cluster has them.

    Before ``synced`` is set, an object that is missing here may exist. The manifests are shared: do not change them.
    ``metadata.managedFields`` is left out: it is half of an object, and nobody here reads it.
    """

    def __init__(self) -> None:
        self.synced = asyncio.Event()
        self._objects: dict[Key, Manifest] = {}
        self._by_namespace: dict[str | None, dict[str, Manifest]] = {}
        self._subscriptions: set[Subscription] = set()
        self._waiters: dict[Key, set[_Waiter]] = {}

    @abstractmethod
    async def run(self) -> None:
        """Follow the cluster until cancelled; no failure ends it."""

    @abstractmethod
    def staleness(self) -> float:
        """Return the seconds since the last answer of the cluster; infinite before the first one."""

    @abstractmethod
    def doubt(self, namespace: str | None) -> None:
        """Report an object that the cluster has and this cache has not, as when a stream has gone silent.

        If the cluster has been silent for a while, all objects are listed again at once.
        """

    def get(self, namespace: str | None, name: str) -> Manifest | None:
        """Return the cached object, or None."""
        return self._objects.get((namespace, name))

    def items(self) -> tuple[Manifest, ...]:
        return tuple(self._objects.values())

    def within(self, namespace: str) -> tuple[Manifest, ...]:
        """Return the objects in a namespace."""
        return tuple(self._by_namespace.get(namespace, {}).values())

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Collect every change from now on, for as long as the context lasts.

        A repeated list yields the differences as events, too. There are no bookmarks, and an object that is ADDED was
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
        """Return the first state of an object that the predicate accepts: the present one, or a later one.

        None stands for an absent object. No state is missed. It waits for ``synced`` first; the caller sets a time
        limit.
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

    def take_list(self, namespace: str | None, manifests: Iterable[Manifest]) -> None:
        """Take in a list of all objects in a namespace (None: in all namespaces)."""
        found = {_key(manifest): manifest for manifest in manifests}
        names = self._by_namespace.get(namespace, {})
        here = self._objects.keys() if namespace is None else {(namespace, name) for name in names}
        for key in here - found.keys():
            self._remove(key, self._objects[key])
        for manifest in found.values():
            self._keep(manifest)

    def take_event(self, event: WatchEvent) -> None:
        """Take in an event of a watch."""
        match event.type:
            case "ADDED" | "MODIFIED":
                self._keep(event.object)
            case "DELETED":
                self._remove(_key(event.object), event.object)
            case "BOOKMARK":
                pass

    def _keep(self, manifest: Manifest) -> None:
        key = _key(manifest)
        known = self._objects.get(key)
        if known is not None and _identity(known) != _identity(manifest):
            self._remove(key, known)  # another object of that name: the old one's end was not reported
            known = None
        if known is not None and _version(known) == _version(manifest):
            return
        manifest["metadata"].pop("managedFields", None)
        self._objects[key] = manifest
        self._by_namespace.setdefault(key[0], {})[key[1]] = manifest
        self._notify(key, WatchEvent("MODIFIED" if known is not None else "ADDED", manifest), manifest)

    def _remove(self, key: Key, last: Manifest) -> None:
        if self._objects.pop(key, None) is not None:
            self._leave(*key)
            last["metadata"].pop("managedFields", None)
            self._notify(key, WatchEvent("DELETED", last), None)

    def _leave(self, namespace: str | None, name: str) -> None:
        existing = self._by_namespace[namespace]
        del existing[name]
        if not existing:
            del self._by_namespace[namespace]

    def _notify(self, key: Key, event: WatchEvent, state: Manifest | None) -> None:
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
        except Exception as error:  # noqa: BLE001 - a fault of one waiter, which gets it; the others go on
            self.state.set_exception(error)


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return metadata.get("namespace"), metadata["name"]


def _identity(manifest: Manifest) -> Any:
    return manifest["metadata"].get("uid")


def _version(manifest: Manifest) -> Any:
    return manifest["metadata"].get("resourceVersion")
