"""One pod on the node, from its creation until it is gone."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.embedded.api.times import timestamp
from spawnpenny.embedded.node.container import Container, Surroundings, Tools
from spawnpenny.embedded.node.launch import Launch, prepare
from spawnpenny.embedded.node.orphans import POD_UID, sweep
from spawnpenny.embedded.node.processes import Grace
from spawnpenny.embedded.node.sources import MissingSourceError, Sources
from spawnpenny.embedded.node.status import PodView
from spawnpenny.embedded.node.volumes import Volumes
from spawnpenny.kubernetes.interface import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spawnpenny.embedded.node.folder import Folder
    from spawnpenny.kubernetes.interface import Manifest

_RETRY: Final = 0.2
_log = structlog.get_logger(__name__)


class Pod:
    """A pod. ``publish`` gets its status after each change; ``run`` ends when only its object is left."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        address: str,
        host: str,
        folder: Folder,
        tools: Tools,
        sources: Sources,
        publish: Callable[[Manifest], None],
    ) -> None:
        self.address = address
        self._manifest = manifest | {"status": {"podIP": address, "hostIP": host}}
        self._uid: str = manifest["metadata"]["uid"]
        self._folder = folder
        self._sources = sources
        self._volumes = Volumes(manifest, folder, sources)
        self._grace = Grace()
        self._ending = asyncio.Event()
        self._publish = publish
        spec, policy = manifest["spec"], manifest["spec"]["restartPolicy"]
        # An init container that has succeeded is done, whatever the policy.
        first = "OnFailure" if policy == "Always" else policy
        around = Surroundings(self._manifest, tools, self._grace, self._prepare, self._show)
        self._inits = [
            self._container(
                init, around, init.get("restartPolicy", first), native=init.get("restartPolicy") == "Always"
            )
            for init in spec.get("initContainers") or ()
        ]
        self._containers = [self._container(container, around, policy) for container in spec["containers"]]
        self._view = PodView(
            inits=[container.view for container in self._inits],
            containers=[container.view for container in self._containers],
            host_ip=host,
            pod_ip=address,
            start_time=timestamp(),
        )

    def end(self, grace: float) -> None:
        """Begin to end it; a later call can only make it go sooner."""
        self._grace.begin(grace)
        self._ending.set()

    async def run(self) -> None:
        living = asyncio.create_task(self._live())
        try:
            await self._ending.wait()
        except asyncio.CancelledError:
            self.end(0)  # the event loop itself is being closed
            raise
        finally:
            living.cancel()
            await asyncio.wait({living})
            self._grace.cancel()
            await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        _ = sweep({POD_UID: self._uid})
        self._volumes.unmount()
        shutil.rmtree(self._folder.pod(self._uid), ignore_errors=True)

    async def _live(self) -> None:
        seconds = self._manifest["spec"].get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(seconds):
                await self._run_containers()
        except TimeoutError:
            self._view.failed = (
                "DeadlineExceeded",
                "Pod was active on the node longer than the specified deadline",
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours in one pod is reported there, and must not end the node
            _log.exception("pod_failed", pod=str(Ref.of(self._manifest)), pod_uid=self._uid)
            self._view.failed = "NodeError", f"The embedded node failed: {type(error).__name__}"
        self._show()

    async def _run_containers(self) -> None:
        await self._placed()
        await self._mounted()
        async with asyncio.TaskGroup() as beside:
            sidecars: list[asyncio.Task[int]] = []
            try:
                for init in self._inits:
                    if init.view.native:
                        sidecars.append(beside.create_task(init.run()))
                        await init.started.wait()
                    elif await init.run() != 0:
                        return
                    else:
                        init.view.ready = True
                async with asyncio.TaskGroup() as group:
                    for container in self._containers:
                        group.create_task(container.run())
            finally:  # sidecars end after all others, with what is left of the pod's grace
                if sidecars:
                    self._grace.begin(self._manifest["spec"]["terminationGracePeriodSeconds"])
                for sidecar in reversed(sidecars):
                    sidecar.cancel()

    async def _placed(self) -> None:
        """Wait until all volume claims are there, as the scheduler does."""
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in self._manifest["spec"].get("volumes") or ()
            if "persistentVolumeClaim" in volume
        ]
        while missing := [claim for claim in claims if not self._sources.has_claim(claim)]:
            self._view.unschedulable = f'0/1 nodes are available: persistentvolumeclaim "{missing[0]}" not found.'
            self._show()
            await asyncio.sleep(_RETRY)
        self._view.unschedulable = ""

    async def _mounted(self) -> None:
        while True:
            try:
                self._volumes.prepare()
            except MissingSourceError as error:
                self._wait("ContainerCreating", str(error))
            else:
                self._wait("PodInitializing" if self._inits else "ContainerCreating", "")
                return
            await asyncio.sleep(_RETRY)

    def _container(self, spec: Manifest, around: Surroundings, policy: str, *, native: bool = False) -> Container:
        log = self._folder.log(self._uid, spec["name"])
        return Container(spec, around, log=log, policy=policy, native=native)

    def _prepare(self, spec: Manifest, image: Sequence[str]) -> Launch:
        return prepare(
            spec, image, self._manifest, volumes=self._volumes, sources=self._sources, mark=self._folder.mark
        )

    def _wait(self, reason: str, message: str) -> None:
        waiting = {"reason": reason, "message": message} if message else {"reason": reason}
        for view in (*self._view.inits, *self._view.containers):
            view.state = {"waiting": waiting}
        self._show()

    def _show(self) -> None:
        self._publish(self._view.to_status())
