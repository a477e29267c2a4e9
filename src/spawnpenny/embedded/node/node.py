"""The process node: it runs the containers of pods as processes of this machine and of its own user.

It is for trials, for plugin authors and for tests. It isolates nothing: a process can see everything that its user can
see. It ignores securityContext, resources (they only count against quotas), image pull policies and secrets, node
selectors, affinity and tolerations, host settings, lifecycle hooks, NetworkPolicies and service links. There is no DNS:
pods are reached by their podIP, and by the address of a Service.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import structlog

from spawnpenny.embedded.node.addresses import Addresses
from spawnpenny.embedded.node.container import Tools
from spawnpenny.embedded.node.logs import tail
from spawnpenny.embedded.node.orphans import NODE, kill_processes
from spawnpenny.embedded.node.pod import Pod
from spawnpenny.embedded.node.processes import Starter
from spawnpenny.embedded.node.services import Services
from spawnpenny.embedded.node.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from types import TracebackType

    from spawnpenny.embedded.api.store import Store, Stored
    from spawnpenny.embedded.node.folder import Folder
    from spawnpenny.kubernetes.interface import Manifest

_NAME: Final = "embedded"
_CLOSE_GRACE: Final = 5.0
"""Seconds that pods get when the service itself ends, as its user waits for them."""
_log = structlog.get_logger(__name__)


class Node:
    """The node, which runs pods while it is entered; the folder has to be locked."""

    def __init__(self, folder: Folder, images: Mapping[str, Sequence[str]], store: Store) -> None:
        self._folder = folder
        self._images = images
        self._store = store
        self._addresses = Addresses()
        self.services = Services(store, self._addresses)
        self._pods: dict[str, Pod] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stack = AsyncExitStack()
        self._tools: Tools | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            ended = await asyncio.to_thread(kill_processes, {NODE: self._folder.node_id})
            if ended:
                _log.warning("orphans_ended", processes=ended, folder=str(self._folder.path))
            await asyncio.to_thread(self._folder.remove_pods)
            stack.enter_context(self._addresses)
            session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
            self._tools = Tools(self._images, Starter(), session)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all pods at the same time, then all other processes of this folder."""
        async with self._stack:
            for pod in self._pods.values():
                pod.end(_CLOSE_GRACE)
            while self._tasks:
                await asyncio.wait(self._tasks)
            await asyncio.to_thread(kill_processes, {NODE: self._folder.node_id})

    def start(self, stored: Stored) -> None:
        """Run a new pod."""
        if self._tools is None:
            raise RuntimeError("A node runs pods only while it is entered.")
        manifest = stored.copy()
        manifest["spec"]["nodeName"] = _NAME
        pod = Pod(
            manifest,
            address=self.services.take_address(manifest),
            host=self._addresses.host,
            folder=self._folder,
            tools=self._tools,
            sources=Sources(self._store, manifest["metadata"]["namespace"]),
            publish=lambda status: self._publish(stored, status),
        )
        self._pods[stored.uid] = pod
        self.spawn(self._run(stored, pod))

    def end(self, uid: str, grace: float) -> None:
        """Begin to end a pod; its object is removed last."""
        if (pod := self._pods.get(uid)) is not None:
            pod.end(grace)

    def log(self, uid: str, container: str, count: int) -> str:
        return tail(self._folder.log(uid, container), count)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run work in the background; closing waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, stored: Stored, pod: Pod) -> None:
        try:
            await pod.run()
        finally:
            self._addresses.release(pod.address)
            del self._pods[stored.uid]
            self._store.remove(stored.ref)

    def _publish(self, pod: Stored, status: Manifest) -> None:
        stored = self._store.find(pod.ref)
        if stored is None or stored.uid != pod.uid:
            return
        manifest = stored.copy()
        manifest["status"] = status
        if "podIP" in status:
            manifest["spec"]["nodeName"] = _NAME
        self._store.change(stored, manifest)
