"""A whole site with Dask: the service, the proxy as its own process, schedulers and workers as processes of pods.

>>> async with dask_site(tmp_path) as site, site.notebook("ada") as notebook:
...     await notebook.run("from dask_gateway import Gateway; cluster = Gateway().new_cluster(); cluster.scale(2)")
...     assert await notebook.run("cluster.get_client().submit(pow, 2, 5).result()") == 32
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.request import urlopen

import aiohttp
import psutil

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.cli.demo.kernel import run_cell
from spawnpenny.clients.http import DEFAULT_LAB, Client, Lab, new_start
from spawnpenny.domain import labels
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.embedded.node.orphans import POD_UID, find_processes
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.settings.sections import EmbeddedSettings
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.notebook import Notebook
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import Processes
from spawnpenny.testing.site import Site, make_site

IMAGE: Final = "spawnpenny/lab"
USERS: Final = ("ada", "bob")
QUOTA: Final = {"labs": 3, "cpu": 8, "memory": "16Gi"}
_PAUSE: Final = 0.05


class DaskProxy:
    """``spawnpenny proxy`` as a process, for a service."""

    def __init__(self, folder: Path, service: str, token: str) -> None:
        """Prepare it; its log is written to the folder."""
        self.port, self.dashboard_port = free_ports(2)
        self._service = service
        self._token = token
        self._processes = Processes(folder)

    @property
    def pid(self) -> int:
        return self._processes.pid("proxy")

    async def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            ProcessError: It does not; with the end of its log.

        """
        env = {
            **os.environ,
            "SPAWNPENNY_GATEWAY__SERVICE": self._service,
            "SPAWNPENNY_GATEWAY__HOST": LOOPBACK,
            "SPAWNPENNY_GATEWAY__PORT": str(self.port),
            "SPAWNPENNY_GATEWAY__DASHBOARD_PORT": str(self.dashboard_port),
            "SPAWNPENNY_PROXY_TOKEN": self._token,
        }
        self._processes.start("proxy", [sys.executable, "-m", "spawnpenny", "proxy"], env=env)
        await asyncio.to_thread(self._processes.wait_until, self._ready, "The proxy")

    async def stop(self) -> None:
        """End it."""
        await asyncio.to_thread(self._processes.close)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self.stop()

    def _ready(self) -> bool:
        """Return whether it listens and knows the routes."""
        try:
            with urlopen(f"http://{LOOPBACK}:{self.dashboard_port}/readyz", timeout=1):
                return True
        except OSError:
            return False


@dataclass(frozen=True)
class LabHere:
    """A JupyterLab that runs."""

    lab: Lab
    token: str = field(repr=False)

    async def run(self, cell: str) -> str:
        """Run a cell in a new kernel, and return its result as text.

        Raises:
            CommandError: It failed.

        """
        return await run_cell(self.lab.url or "", self.token, cell)


@dataclass
class DaskSite:
    """A site, its service (in this process, killable), its proxy (a process of its own), and its users.

    A user's token is ``<user>-token``, and of the scope ``spawn:self``; the Hub's is ``hub-token``.
    """

    site: Site
    service: KillableService
    proxy: DaskProxy
    folder: Path

    @property
    def address(self) -> str:
        """The address for ``dask_gateway.Gateway``."""
        return f"{self.service.url}/gateway"

    @property
    def proxy_address(self) -> str:
        return f"gateway://{LOOPBACK}:{self.proxy.port}"

    @property
    def dashboards(self) -> str:
        """The address under which browsers reach dashboards."""
        return f"http://{LOOPBACK}:{self.proxy.dashboard_port}"

    def env(self, user: str, token: str | None = None) -> dict[str, str]:
        """Return the environment with which ``Gateway()`` needs no argument, outside of a lab."""
        return {
            "DASK_GATEWAY__ADDRESS": self.address,
            "DASK_GATEWAY__PROXY_ADDRESS": self.proxy_address,
            "DASK_GATEWAY__PUBLIC_ADDRESS": self.dashboards,
            "DASK_GATEWAY__AUTH__TYPE": "basic",
            "DASK_GATEWAY__AUTH__KWARGS__USERNAME": user,
            "DASK_GATEWAY__AUTH__KWARGS__PASSWORD": token or f"{user}-token",
            "DASK_GATEWAY__HTTP_CLIENT__PROXY": "False",
            "SPAWNPENNY_URL": self.service.url,
            "SPAWNPENNY_USER": user,
            "SPAWNPENNY_TOKEN": token or f"{user}-token",
        }

    def notebook(
        self, user: str, *, token: str | None = None, python: str = sys.executable, env: Mapping[str, str] | None = None
    ) -> Notebook:
        """Return a notebook of a user, outside of any lab; ``env`` are further variables."""
        folder = self.folder / f"notebook-{secrets.token_hex(4)}"
        return Notebook(folder, env={**self.env(user, token), **(env or {})}, python=python)

    @asynccontextmanager
    async def lab(
        self, user: str, name: str = DEFAULT_LAB, *, options: Mapping[str, Any] | None = None
    ) -> AsyncIterator[LabHere]:
        """Run a JupyterLab, until the context ends."""
        token = secrets.token_urlsafe(16)
        async with self.client() as hub:
            await hub.start_lab(user, name, start=new_start(), env={"JUPYTER_TOKEN": token}, options=options or {})
            async for _ in hub.lab_events(user, name):
                pass
            try:
                yield LabHere(await hub.lab(user, name), token)
            finally:
                await hub.stop_lab(user, name, wait=PATIENCE)

    def client(self, token: str = "hub-token") -> Client:  # noqa: S107 - of a site that lives as long as a test
        """Return a client of the HTTP API, with the Hub's token."""
        return Client(self.service.url, token)

    async def ask(self, method: str, path: str, body: Any = None, *, user: str = "ada") -> tuple[int, Any]:
        """Ask the web API as a user, and return status and answer."""
        headers = {"Authorization": f"Bearer {user}-token"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.service.url}{path}", json=body) as answer,
        ):
            reported = await answer.json() if "json" in answer.content_type else await answer.text()
            return answer.status, reported

    async def scheduler(self, cluster: str, user: str = "ada") -> Manifest:
        """Return the pod of a cluster's scheduler."""
        (found,) = [pod for pod in await self.pods(cluster, user) if labels.PART not in pod["metadata"]["labels"]]
        return found

    async def workers(self, cluster: str, user: str = "ada") -> list[Manifest]:
        """Return the pods of a cluster's workers that are not being deleted."""
        pods = await self.pods(cluster, user)
        return [
            pod
            for pod in pods
            if labels.PART in pod["metadata"]["labels"] and "deletionTimestamp" not in pod["metadata"]
        ]

    async def pods(self, cluster: str, user: str = "ada") -> Sequence[Manifest]:
        """Return all pods of a cluster."""
        desired = {**labels.ours(self.site.settings.installation), labels.KIND: "dask", labels.LAB: cluster}
        listing = await self.site.cluster.list(resource_of("Pod"), namespace=self.site.namespace(user), labels=desired)
        return listing.items

    async def vanish(self, pod: Manifest) -> None:
        """Delete a pod as the loss of its node does: at once, and without a request."""
        await self.kill(pod)
        await self.site.cluster.delete(Ref.of(pod), uid=pod["metadata"]["uid"], grace=0)

    async def kill(self, pod: Manifest) -> None:
        """End all processes of a pod, as the kernel does where it is out of memory."""
        for process in await self.processes(pod):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    async def processes(self, pod: Manifest) -> list[psutil.Process]:
        """Return all processes of a pod."""
        return await asyncio.to_thread(find_processes, {POD_UID: pod["metadata"]["uid"]})

    async def until(self, fact: Callable[[], Awaitable[Any]], what: str, *, seconds: float = PATIENCE) -> Any:
        """Ask until the answer is true, and return it.

        Raises:
            AssertionError: It is not after so many seconds.

        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not (found := await fact()):
            assert loop.time() < end, f"not within {seconds:.0f} s: {what}"  # noqa: S101 - of a test
            await asyncio.sleep(_PAUSE)
        return found


@asynccontextmanager
async def dask_site(
    folder: Path,
    *,
    images: Mapping[str, Sequence[str]] | None = None,
    plugins: Mapping[str, Any] | None = None,
    users: Sequence[str] = USERS,
    **more: Any,
) -> AsyncIterator[DaskSite]:
    """Run a site with Dask until the context ends.

    Args:
        folder: Where pods, logs and notebooks are; it is there.
        images: Further images; ``spawnpenny/lab`` is this environment.
        plugins: Sections of plugins that differ from the site's own.
        users: Who has a token.
        more: Further sections of the settings.

    """
    async with EmbeddedCluster(folder / "cluster", {**EmbeddedSettings().images, **(images or {})}) as cluster:
        site = await make_site(cluster)
        service = KillableService(site)
        proxy = DaskProxy(folder, service.url, "proxy-token")
        result = DaskSite(site, service, proxy, folder)
        site.data |= {
            "gateway": {
                "address": service.url,
                "proxy_address": f"{LOOPBACK}:{proxy.port}",
                "public_address": result.dashboards,
            },
            "plugins": {
                "namespace": {},
                "quota": QUOTA,
                "user": {},
                "lab": {"image": IMAGE},
                "dask": {},
                **(plugins or {}),
            },
            "tokens": _tokens(users),
            **more,
        }
        async with service, proxy:
            yield result


def _tokens(users: Sequence[str]) -> dict[str, Any]:
    scopes: dict[str, dict[str, Any]] = {
        "hub": {"scopes": ["read:any", "delete:any", "spawn:any"]},
        "proxy": {"scopes": ["routes"]},
        **{user: {"scopes": ["spawn:self"], "user": user} for user in users},
    }
    return {name: {"sha256": hash_token(f"{name}-token"), **rest} for name, rest in scopes.items()}
