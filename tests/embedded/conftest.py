"""A running embedded cluster, with helpers that make pods and wait for their states."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

IMAGES: Mapping[str, Sequence[str]] = {
    "sh": ["sh", "-c"],
    "python": ["{python}", "-c"],
    "web": ["{python}", "-m", "http.server", "8888", "--bind", "{pod_ip}", "--directory", "{home}"],
    "none": ["/no/such/command"],
    "lab": [
        "{python}", "-m", "jupyterlab", "--ip={pod_ip}", "--port=8888", "--no-browser", "--allow-root",
        "--ServerApp.root_dir={home}", "--IdentityProvider.token=secret",
    ],
    "spawnpenny/lab": ["{python}", "-P", "{lab}", "{pod_ip}"],
}  # fmt: skip
PODS = resource_of("Pod")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cluster"


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    async with EmbeddedCluster(folder, IMAGES) as cluster:
        yield Site(cluster, folder)


@pytest.fixture
def site_in() -> Callable[[Path], AbstractAsyncContextManager[Site]]:
    """Return a function that opens a cluster in a folder of the test's choice."""
    return open_site


@pytest.fixture
async def site(folder: Path) -> AsyncIterator[Site]:
    async with open_site(folder) as opened:
        yield opened


class Site:
    """An embedded cluster and its folder."""

    def __init__(self, cluster: EmbeddedCluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder

    async def run(self, *containers: Manifest, name: str = "pod", **spec: Any) -> Ref:
        spec.setdefault("restartPolicy", "Never")
        manifest = self.make("Pod", name, spec={"containers": list(containers), **spec})
        return Ref.of(await self.cluster.create(manifest))

    async def until(self, ref: Ref, fact: Callable[[Manifest], Any]) -> Manifest:
        """Wait until ``fact`` is true of the pod, and return it."""
        listing = await self.cluster.list(PODS, namespace=ref.namespace)
        for pod in listing.items:
            if pod["metadata"]["name"] == ref.name and fact(pod):
                return pod
        events = self.cluster.watch(PODS, since=listing.version, namespace=ref.namespace)
        async with aclosing(events):
            async for event in events:
                if event.object["metadata"].get("name") == ref.name and fact(event.object):
                    return event.object
        raise AssertionError("the watch ended")

    async def until_gone(self, ref: Ref) -> None:
        listing = await self.cluster.list(PODS, namespace=ref.namespace)
        if all(pod["metadata"]["name"] != ref.name for pod in listing.items):
            return
        async with aclosing(self.cluster.watch(PODS, since=listing.version)) as events:
            async for event in events:
                if event.type == "DELETED" and event.object["metadata"]["name"] == ref.name:
                    return

    async def output(self, script: str, *, name: str = "pod", volumes: Sequence[Manifest] = (), **more: Any) -> str:
        """Run a shell script to its end, and return its output."""
        ref = await self.run(self.container("sh", script, **more), name=name, volumes=list(volumes))
        await self.until(ref, self.ended)
        return await self.log(ref)

    async def log(self, ref: Ref, name: str = "main", tail: int = 1000) -> str:
        return await self.cluster.log(ref, container=name, tail=tail)

    async def log_has(self, ref: Ref, text: str) -> str:
        while text not in (log := await self.log(ref)):  # noqa: ASYNC110 - a growing log sends no event
            await asyncio.sleep(0.01)
        return log

    @staticmethod
    def make(kind: str, name: str, *, namespace: str | None = "default", **parts: Any) -> Manifest:
        metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
        return {"apiVersion": resource_of(kind).api_version, "kind": kind, "metadata": metadata, **parts}

    def make_claim(self, name: str) -> Manifest:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        return self.make("PersistentVolumeClaim", name, spec=spec)

    @staticmethod
    def container(image: str, *args: str, name: str = "main", **parts: Any) -> Manifest:
        return {"name": name, "image": image, **({"args": list(args)} if args else {}), **parts}

    @staticmethod
    def ended(pod: Manifest) -> bool:
        return pod["status"]["phase"] in ("Succeeded", "Failed")

    @staticmethod
    def ready(pod: Manifest) -> bool:
        return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))

    @staticmethod
    def running(pod: Manifest) -> bool:
        return pod["status"]["phase"] == "Running"

    @staticmethod
    def waiting_for(reason: str) -> Callable[[Manifest], bool]:
        def fact(pod: Manifest) -> bool:
            states = [status["state"] for status in pod["status"].get("containerStatuses", ())]
            return any(state.get("waiting", {}).get("reason") == reason for state in states)

        return fact

    @staticmethod
    def state_of(pod: Manifest, name: str = "main") -> Manifest:
        statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"]["containerStatuses"]]
        found: Manifest = next(status for status in statuses if status["name"] == name)
        return found


@pytest.fixture
def processes_with() -> Callable[[str], list[int]]:
    """Return a function that finds the processes with a text in their command line."""

    def find(text: str) -> list[int]:
        found = []
        for process in psutil.process_iter():
            try:
                if any(text in part for part in process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    return find
