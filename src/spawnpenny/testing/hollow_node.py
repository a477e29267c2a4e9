"""A node without a kubelet: it writes to the API server what a kubelet and a scheduler would."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

from spawnpenny.kubernetes.sockets import Sockets
from spawnpenny.kubernetes.watch_stream import split_stream
from spawnpenny.testing.behaviours import Behaviour, Fail, Ready, Succeed
from spawnpenny.testing.kubelet import KubeletLogs

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from types import TracebackType

    from spawnpenny.kubernetes.interface import Manifest

    Matcher = Callable[[Manifest], bool] | Mapping[str, str] | str

_PODS: Final = "/api/v1/pods"
_AGAIN: Final = 0.1
_WATCH_SECONDS: Final = 600
_CAPACITY: Final = {"cpu": "1000", "memory": "4Ti", "pods": "100000"}


@dataclass(slots=True)
class _HollowPod:
    manifest: Manifest
    address: str
    task: asyncio.Task[None] | None = None
    ending: bool = False


class HollowNode:
    """Plays scheduler and kubelet for the pods of an API server, for as long as the context lasts.

    Nothing runs. A pod becomes ready at once or, if its restartPolicy is Never, ends well at once; ``behave``
    has it otherwise. A deleted pod goes at once. The pods of an earlier node of the same name are taken over.

    Args:
        url: Of the API server.
        ssl_context: With the certificate of somebody who may do this, as ``ApiServer.ssl_context()`` has it.
        name: Of the node.
        pace: Seconds between the statuses of a pod that has several.
        address: Gives a pod's; None, or by default, is one at which nobody answers.

    """

    def __init__(
        self,
        url: str,
        ssl_context: ssl.SSLContext,
        *,
        name: str = "hollow",
        pace: float = 0.05,
        address: Callable[[Manifest], str | None] | None = None,
    ) -> None:
        self._url = url
        self._ssl = ssl_context
        self._name = name
        self._pace = pace
        self._rules: list[tuple[Matcher, Behaviour]] = []
        self._pods: dict[str, _HollowPod] = {}
        self._address = address or _none
        self._nowhere = _nowhere()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._kubelet = await stack.enter_async_context(KubeletLogs())
            sockets = Sockets()
            stack.push_async_callback(sockets.close)
            connector = aiohttp.TCPConnector(ssl=self._ssl, socket_factory=sockets)
            self._http = await stack.enter_async_context(aiohttp.ClientSession(self._url, connector=connector))
            await self._register()
            stack.push_async_callback(self._end, asyncio.create_task(self._run()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def behave(self, matcher: Matcher, behaviour: Behaviour) -> None:
        """Set the behaviour of matching pods, existing and future ones; the last call holds.

        Args:
            matcher: A function of the pod, labels that it carries, or a pattern of its name: ``lab-*``.
            behaviour: One of ``spawnpenny.testing.behaviours``.

        """
        self._rules.append((matcher, behaviour))
        for pod in self._pods.values():
            if _matches(matcher, pod.manifest) and not pod.ending:
                self._begin(pod, self._play(pod))

    async def set_status(self, namespace: str, name: str, status: Manifest) -> None:
        """Give a pod a status by hand, and let its behaviour rest."""
        for pod in tuple(self._pods.values()):
            metadata = pod.manifest["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                await _cancelled(pod.task)
        await self._report(namespace, name, status)

    async def exit(self, namespace: str, name: str, exit_code: int = 0, reason: str = "") -> None:
        """End a running pod's containers for good, as by themselves or as ``OOMKilled``."""
        pod = await self._send("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        behaviour = Fail(exit_code, reason or "Error") if exit_code or reason else Succeed()
        await self.set_status(namespace, name, next(behaviour.statuses(pod)))

    def give_addresses(self, address: Callable[[Manifest], str | None]) -> None:
        """Give future pods these addresses, as the argument ``address`` has it."""
        self._address = address

    def pods(self) -> list[Manifest]:
        """Return the pods as the API server last reported them."""
        return [pod.manifest for pod in self._pods.values()]

    async def read_secret(self, namespace: str, name: str) -> dict[str, str]:
        """Return what a Secret holds (in base64), as a kubelet would mount it."""
        secret = await self._send("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        data: dict[str, str] = secret.get("data", {})
        return data

    def write_log(self, namespace: str, name: str, text: str) -> None:
        """Say what a pod's containers have written."""
        self._kubelet.texts[namespace, name] = text

    async def _register(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._name}}
        await self._send("POST", "/api/v1/nodes", node)
        status = {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._kubelet.port}},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Hollow", "message": ""}],
        }
        await self._send("PATCH", f"/api/v1/nodes/{self._name}/status", {"status": status})

    async def _run(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError):  # it begins again with a list
                await self._follow(await self._list())
            await asyncio.sleep(_AGAIN)

    async def _end(self, run: asyncio.Task[None]) -> None:
        await _cancelled(run)
        for pod in tuple(self._pods.values()):
            await _cancelled(pod.task)

    async def _list(self) -> str:
        listing = await self._send("GET", _PODS)
        existing = {pod["metadata"]["uid"] for pod in listing["items"]}
        for uid in self._pods.keys() - existing:
            self._forget(uid)
        for pod in listing["items"]:
            self._see(pod)
        version: str = listing["metadata"]["resourceVersion"]
        return version

    async def _follow(self, version: str) -> None:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        endless = aiohttp.ClientTimeout(total=None)
        async with self._http.get(_PODS, params=query, timeout=endless) as answer:
            async for line in split_stream(answer.content.iter_any()):
                event = json.loads(line)
                match event["type"]:
                    case "ADDED" | "MODIFIED":
                        self._see(event["object"])
                    case "DELETED":
                        self._forget(event["object"]["metadata"]["uid"])
                    case _:
                        return

    def _see(self, manifest: Manifest) -> None:
        if manifest["spec"].get("nodeName", self._name) != self._name:
            return
        uid = manifest["metadata"]["uid"]
        pod = self._pods.get(uid)
        if pod is None:
            pod = self._pods[uid] = _HollowPod(manifest, self._address(manifest) or next(self._nowhere))
            if manifest.get("status", {}).get("phase") == "Pending":
                self._begin(pod, self._play(pod))
        pod.manifest = manifest
        if "deletionTimestamp" in manifest["metadata"] and not pod.ending:
            pod.ending = True
            self._begin(pod, self._finish(pod))

    def _forget(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod and pod.task:
            pod.task.cancel()

    def _begin(self, pod: _HollowPod, work: Coroutine[Any, Any, None]) -> None:
        if pod.task:
            pod.task.cancel()
        pod.task = asyncio.create_task(work)

    async def _play(self, pod: _HollowPod) -> None:
        metadata = pod.manifest["metadata"]
        behaviour = self._behaviour(pod.manifest)
        if behaviour.scheduled and "nodeName" not in pod.manifest["spec"]:
            await self._bind(metadata)
        placed = {"hostIP": "127.0.0.1", "podIP": pod.address, "podIPs": [{"ip": pod.address}]}
        for number, status in enumerate(behaviour.statuses(pod.manifest)):
            if number:
                await asyncio.sleep(self._pace)
            where = placed if status["phase"] != "Pending" else {}
            await self._report(metadata["namespace"], metadata["name"], status | where)

    def _behaviour(self, manifest: Manifest) -> Behaviour:
        for matcher, behaviour in reversed(self._rules):
            if _matches(matcher, manifest):
                return behaviour
        return Succeed() if manifest["spec"].get("restartPolicy") == "Never" else Ready()

    async def _bind(self, metadata: Manifest) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._name},
        }
        await self._send("POST", f"{_path(metadata)}/binding", binding)

    async def _finish(self, pod: _HollowPod) -> None:
        metadata = pod.manifest["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        await self._send("DELETE", _path(metadata), options)

    async def _report(self, namespace: str, name: str, status: Manifest) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        await self._send("PATCH", path, {"status": status})

    async def _send(self, method: str, path: str, body: Manifest | None = None) -> Manifest:
        """Send until there is an answer. A pod that is gone or bound already is an answer, too."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body).encode()
        while True:
            with suppress(aiohttp.ClientError, OSError):
                headers = {"Content-Type": kind}
                async with self._http.request(method, path, data=data, headers=headers) as answer:
                    if answer.status < 500 and answer.status != 429:  # noqa: PLR2004 - HTTP's own numbers
                        reported: Manifest = await answer.json()
                        return reported
            await asyncio.sleep(_AGAIN)


def _path(metadata: Manifest) -> str:
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def _none(_: Manifest) -> None:
    """Give no address."""


def _nowhere() -> Iterator[str]:
    return (f"10.{a}.{b}.{c}" for a, b, c in itertools.product(*[range(1, 255)] * 3))


def _matches(matcher: Matcher, pod: Manifest) -> bool:
    if callable(matcher):
        return bool(matcher(pod))
    if isinstance(matcher, str):
        return fnmatchcase(pod["metadata"]["name"], matcher)
    labels: dict[str, str] = pod["metadata"].get("labels", {})
    return matcher.items() <= labels.items()


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
