"""One pod on the node, from its creation until it is gone."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.embedded.api.times import timestamp
from spawnpenny.embedded.node.container import Container, PodContext, Tools
from spawnpenny.embedded.node.launch import Launch, prepare
from spawnpenny.embedded.node.orphans import POD_UID, kill_processes
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
        # An init container that has succeeded is done, whatever the restart policy.
        init_policy = "OnFailure" if policy == "Always" else policy
        context = PodContext(self._manifest, tools, self._grace, self._prepare, self._publish_status)
        self._inits = [
            self._container(
                init, context, init.get("restartPolicy", init_policy), native=init.get("restartPolicy") == "Always"
            )
            for init in spec.get("initContainers") or ()
        ]
        self._containers = [self._container(container, context, policy) for container in spec["containers"]]
        self._view = PodView(
            inits=[container.view for container in self._inits],
            containers=[container.view for container in self._containers],
            host_ip=host,
            pod_ip=address,
            start_time=timestamp(),
        )

    def end(self, grace: float) -> None:
        """Begin to end the pod; a later call can only shorten the grace period."""
        self._grace.begin(grace)
        self._ending.set()

    async def run(self) -> None:
        running = asyncio.create_task(self._run())
        try:
            await self._ending.wait()
        except asyncio.CancelledError:
            self.end(0)  # the event loop itself is being closed
            raise
        finally:
            running.cancel()
            await asyncio.wait({running})
            self._grace.cancel()
            await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        _ = kill_processes({POD_UID: self._uid})
        self._volumes.unmount()
        shutil.rmtree(self._folder.pod(self._uid), ignore_errors=True)

    async def _run(self) -> None:
        seconds = self._manifest["spec"].get("activeDeadlineSeconds")
        loop = asyncio.get_running_loop()
        # As the kubelet does: the pod has failed before its containers are asked to end, whatever their exit codes.
        expiry = loop.call_later(seconds, self._expire) if seconds is not None else None
        try:
            async with asyncio.timeout(seconds):
                await self._run_containers()
        except TimeoutError:
            self._expire()
        except Exception as error:  # noqa: BLE001 - a fault in one pod is in its status, and must not end the node
            _log.exception("pod_failed", pod=str(Ref.of(self._manifest)), pod_uid=self._uid)
            self._view.failed = "NodeError", f"The embedded node failed: {type(error).__name__}"
        finally:
            if expiry is not None:
                expiry.cancel()
        self._publish_status()

    def _expire(self) -> None:
        """Mark the pod as failed by its deadline."""
        self._view.failed = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
        self._publish_status()

    async def _run_containers(self) -> None:
        await self._wait_until_scheduled()
        await self._wait_until_mounted()
        async with asyncio.TaskGroup() as sidecar_group:
            sidecars: list[asyncio.Task[int]] = []
            try:
                for init in self._inits:
                    if init.view.native:
                        sidecars.append(sidecar_group.create_task(init.run()))
                        await init.started.wait()
                    elif await init.run() != 0:
                        return
                    else:
                        init.view.ready = True
                async with asyncio.TaskGroup() as group:
                    for container in self._containers:
                        group.create_task(container.run())
            finally:  # sidecars end after all others, within the rest of the grace period
                if sidecars:
                    self._grace.begin(self._manifest["spec"]["terminationGracePeriodSeconds"])
                for sidecar in reversed(sidecars):
                    sidecar.cancel()

    async def _wait_until_scheduled(self) -> None:
        """Wait until all volume claims exist, as the Kubernetes scheduler does."""
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in self._manifest["spec"].get("volumes") or ()
            if "persistentVolumeClaim" in volume
        ]
        while missing := [claim for claim in claims if not self._sources.has_claim(claim)]:
            self._view.unschedulable = f'0/1 nodes are available: persistentvolumeclaim "{missing[0]}" not found.'
            self._publish_status()
            await asyncio.sleep(_RETRY)
        self._view.unschedulable = ""

    async def _wait_until_mounted(self) -> None:
        while True:
            try:
                self._volumes.prepare()
            except MissingSourceError as error:
                self._wait("ContainerCreating", str(error))
            else:
                self._wait("PodInitializing" if self._inits else "ContainerCreating", "")
                return
            await asyncio.sleep(_RETRY)

    def _container(self, spec: Manifest, context: PodContext, policy: str, *, native: bool = False) -> Container:
        log = self._folder.log(self._uid, spec["name"])
        return Container(spec, context, log=log, policy=policy, native=native)

    def _prepare(self, spec: Manifest, image: Sequence[str]) -> Launch:
        return prepare(
            spec, image, self._manifest, volumes=self._volumes, sources=self._sources, node_id=self._folder.node_id
        )

    def _wait(self, reason: str, message: str) -> None:
        waiting = {"reason": reason, "message": message} if message else {"reason": reason}
        for view in (*self._view.inits, *self._view.containers):
            view.state = {"waiting": waiting}
        self._publish_status()

    def _publish_status(self) -> None:
        self._publish(self._view.to_status())
