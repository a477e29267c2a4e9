"""The embedded cluster without processes: a store whose pods are ready at once, and gone when they are deleted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.embedded.node.addresses import Addresses
from spawnpenny.embedded.node.node import Node
from spawnpenny.embedded.node.services import Services
from spawnpenny.testing.behaviours import Behaviour, Fail, Ready, Succeed

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from spawnpenny.embedded.api.store import Store, Stored
    from spawnpenny.embedded.node.folder import Folder


class StoreCluster(EmbeddedCluster):
    """An embedded cluster that starts no process. Nothing listens at the addresses of its pods."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self._pods = _ProcessFreeNode(self._folder, self._store)
        self._node = self._pods

    def exit(self, uid: str, exit_code: int = 0) -> None:
        """End the containers of a pod for good, as by themselves."""
        self._pods.exit(uid, Fail(exit_code) if exit_code else Succeed())


class _DistinctAddresses(Addresses):
    """Addresses of Services in the order in which they are first wanted: a contract has many, and none may clash."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[str, int] = {}

    def of_service(self, name: str) -> str:
        return self.numbered_service(self._numbers.setdefault(name, len(self._numbers)))


class _ProcessFreeNode(Node):
    """A node that reports its pods as ready without running them."""

    def __init__(self, folder: Folder, store: Store) -> None:
        super().__init__(folder, {}, store)
        self._free = _DistinctAddresses()
        self.services = Services(store, self._free)
        self._existing: dict[str, Stored] = {}
        self._entered = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._entered.enter_context(self._free)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._entered.aclose()

    def start(self, stored: Stored) -> None:
        self._existing[stored.uid] = stored
        self.spawn(self._report(stored))

    def end(self, uid: str, grace: float) -> None:
        del grace
        if (stored := self._existing.pop(uid, None)) is not None:
            self.spawn(self._remove(stored))

    def exit(self, uid: str, behaviour: Behaviour) -> None:
        if (stored := self._existing.get(uid)) is not None:
            for status in behaviour.statuses(stored.copy()):
                self._publish(stored, status)

    async def _report(self, stored: Stored) -> None:
        address = self.services.take_address(stored.manifest)
        for status in Ready().statuses(stored.copy()):
            self._publish(stored, {**status, "podIP": address, "podIPs": [{"ip": address}]})

    async def _remove(self, stored: Stored) -> None:
        self._store.remove(stored.ref)
