"""The store of objects in memory: their present versions, and the latest changes.

Each version of an object is encoded once. Callers get decoded copies, so that nobody has an alias of a stored object.
There is no ``await`` between a check and its change: a change is atomic, as the event loop has one thread.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from spawnpenny.embedded.api.selectors import matches
from spawnpenny.embedded.api.times import timestamp
from spawnpenny.kubernetes.errors import ExpiredError, InvalidObjectError
from spawnpenny.kubernetes.interface import Manifest, Ref, WatchEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from spawnpenny.kubernetes.kinds import Resource

_FIRST_VERSION: Final = 1000
"""Not 1, so that versions from before a restart are recognized as too old, and watchers list again."""
_HISTORY_BYTES: Final = 32 * 2**20
_BOOKMARK_SECONDS: Final = 30.0

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
Kind = tuple[str, str]
"""apiVersion and kind. The manifest of an unknown kind has no plural."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object. ``manifest`` must not be changed; ``copy`` is for callers."""

    ref: Ref
    manifest: Manifest
    encoded: str

    @property
    def uid(self) -> str:
        uid: str = self.manifest["metadata"]["uid"]
        return uid

    @property
    def version(self) -> str:
        version: str = self.manifest["metadata"]["resourceVersion"]
        return version

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.manifest["metadata"].get("labels") or {}
        return labels

    @property
    def terminating(self) -> bool:
        return "deletionTimestamp" in self.manifest["metadata"]

    def copy(self) -> Manifest:
        manifest: Manifest = json.loads(self.encoded)
        return manifest


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an object: the versions before, if any, and after; for DELETED, ``after`` is the last version."""

    version: int
    type: ChangeType
    before: Stored | None
    after: Stored

    def seen_through(self, labels: Mapping[str, str] | None) -> WatchEvent | None:
        """Return the event for a watcher with this selector; an object that stops matching is DELETED for it."""
        was = self.before is not None and matches(self.before.labels, labels)
        now = self.type != "DELETED" and matches(self.after.labels, labels)
        if now:
            return WatchEvent("MODIFIED" if was else "ADDED", self.after.copy())
        if not was or self.before is None:
            return None
        manifest = self.before.copy()
        manifest["metadata"]["resourceVersion"] = str(self.version)
        return WatchEvent("DELETED", manifest)


@dataclass(slots=True)
class _Table:
    """All objects of one kind, by namespace and name, and their latest changes."""

    objects: dict[str | None, dict[str, Stored]] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    size: int = 0
    horizon: int = _FIRST_VERSION
    """The version up to which changes have been dropped."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self, change: Change, limit: int) -> None:
        self.history.append(change)
        self.size += len(change.after.encoded)
        while len(self.history) > limit or self.size > _HISTORY_BYTES:
            dropped = self.history[: max(1, len(self.history) // 4)]
            del self.history[: len(dropped)]
            self.size -= sum(len(change.after.encoded) for change in dropped)
            self.horizon = dropped[-1].version
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Store:
    """The objects of a cluster. ``listeners`` are called with each change before its caller continues."""

    def __init__(self, *, history: int = 1000) -> None:
        self.listeners: list[Callable[[Change], None]] = []
        self._history = history
        self._tables: dict[Kind, _Table] = {}
        self._version = _FIRST_VERSION
        self._closed = False

    @property
    def version(self) -> str:
        return str(self._version)

    def find(self, ref: Ref) -> Stored | None:
        """Return the stored object, or None."""
        return self._table(ref.resource).objects.get(ref.namespace, {}).get(ref.name)

    def select(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Stored]:
        """Return the objects with the labels, of one namespace or all, sorted by name."""
        table = self._table(resource)
        spaces = [namespace] if namespace is not None else sorted(table.objects, key=str)
        found = (table.objects.get(space, {}) for space in spaces)
        return [space[name] for space in found for name in sorted(space) if matches(space[name].labels, labels)]

    def contents(self, namespace: str) -> Iterator[Stored]:
        """Yield every object of a namespace, of any kind."""
        for table in list(self._tables.values()):
            yield from list(table.objects.get(namespace, {}).values())

    def add(self, ref: Ref, manifest: Manifest) -> Stored:
        """Add a new object, with uid, version and creation time."""
        metadata = manifest.setdefault("metadata", {})
        metadata.update(uid=str(uuid.uuid4()), creationTimestamp=timestamp())
        return self._commit("ADDED", None, ref, manifest)

    def change(self, before: Stored, manifest: Manifest) -> Stored:
        """Store a new version of an object; unchanged content keeps its version and notifies nobody."""
        manifest["metadata"]["resourceVersion"] = before.version
        if manifest == before.manifest:
            return before
        return self._commit("MODIFIED", before, before.ref, manifest)

    def remove(self, ref: Ref) -> None:
        """Remove an object, if it exists."""
        before = self.find(ref)
        if before is not None:
            self._commit("DELETED", before, ref, before.copy())

    async def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after ``since`` until the store is closed.

        A watcher reads the shared history from its own position, so it has no queue that could grow. A watcher that
        falls behind the history gets an ``ExpiredError`` and has to list again.
        """
        table = self._table(resource)
        position = self._position(since)
        while not self._closed:
            waiting = table.changed
            if position < table.horizon or position > self._version:
                raise ExpiredError(f"The changes since version {position} have been dropped. List again.")
            index = bisect_right(table.history, position, key=lambda change: change.version)
            if index < len(table.history):
                change = table.history[index]
                position = change.version
                event = change.seen_through(labels) if namespace in (None, change.after.ref.namespace) else None
                if event is not None:
                    yield event
            elif not await _set_within(waiting, _BOOKMARK_SECONDS):
                position = self._version
                yield WatchEvent("BOOKMARK", self._bookmark(resource))

    def close(self) -> None:
        """End all watches."""
        self._closed = True
        for table in self._tables.values():
            table.wake()

    def _table(self, resource: Resource) -> _Table:
        return self._tables.setdefault((resource.api_version, resource.kind), _Table())

    def _commit(self, type_: ChangeType, before: Stored | None, ref: Ref, manifest: Manifest) -> Stored:
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)
        encoded = json.dumps(manifest, separators=(",", ":"))
        after = Stored(ref, json.loads(encoded), encoded)
        table = self._table(ref.resource)
        space = table.objects.setdefault(ref.namespace, {})
        if type_ == "DELETED":
            del space[ref.name]
            if not space:
                del table.objects[ref.namespace]
        else:
            space[ref.name] = after
        change = Change(self._version, type_, before, after)
        table.record(change, self._history)
        for listener in self.listeners:
            listener(change)
        return after

    def _bookmark(self, resource: Resource) -> Manifest:
        return {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"resourceVersion": self.version},
        }

    def _position(self, since: Any) -> int:
        try:
            return int(since)
        except ValueError:
            raise InvalidObjectError(f"{since!r} is not a version. Use the version of a list or of an event.") from None


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
