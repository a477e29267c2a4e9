"""Both clusters, made to look alike: for each image, the one runs a program and the other plays its fate."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.testing.behaviours import Crash, Fail, PullError, Ready, Succeed
from spawnpenny.testing.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

POD, NAMESPACE, CONFIG_MAP = resource_of("Pod"), resource_of("Namespace"), resource_of("ConfigMap")
WIDGET = Resource("test.spawnpenny.io/v1", "Widget", "widgets")

IMAGES = {
    "test/sleep": (["sleep", "1000"], Ready()),
    "test/stubborn": (["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], Ready()),
    "test/true": (["true"], Succeed()),
    "test/exit3": (["sh", "-c", "exit 3"], Fail(3)),
    "test/crash": (["sh", "-c", "exit 7"], Crash(7)),
    "test/greet": (["sh", "-c", "echo one; echo two; echo $GREETING"], Succeed()),
}


@dataclass
class Kit:
    cluster: Cluster
    namespace: str
    pods: Informer
    namespaces: Informer
    say: Callable[[str, str], None]
    """What a pod will write, where it cannot write by itself."""
    forgotten: Callable[[], Any]
    """Return a resource and a version that is too old to go on from."""
    impatient: Cluster
    """The same cluster, which takes a stream for broken after two seconds of silence."""

    def config(self, name: str = "c", labels: dict[str, str] | None = None, **data: str) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace, "labels": labels or {}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    def pod(self, image: str = "test/sleep", *, container: Manifest | None = None, **spec: Any) -> Manifest:
        containers = [{"name": "main", "image": image, **(container or {})}]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": self.namespace},
            "spec": {"containers": containers, "terminationGracePeriodSeconds": 1, **spec},
        }

    async def until(self, takes: Callable[[Manifest], bool], name: str = "p") -> Manifest:
        """Wait for a state of a pod that is there."""
        async with asyncio.timeout(PATIENCE):
            pod = await self.pods.wait_for(self.namespace, name, lambda pod: pod is not None and takes(pod))
        assert pod is not None
        return pod

    async def until_seen(self, resource: Resource, name: str, takes: Callable[[Manifest], Any]) -> None:
        """Wait for a state of an object of another kind."""
        async with _running(Informer(self.cluster, resource, namespace=self.namespace)) as informer:
            await informer.wait_for(self.namespace, name, lambda seen: bool(seen and takes(seen)))

    async def until_gone(self, name: str = "p") -> None:
        async with asyncio.timeout(PATIENCE):
            await self.pods.wait_for(self.namespace, name, lambda pod: pod is None)

    async def until_namespace_gone(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.namespaces.wait_for(None, self.namespace, lambda namespace: namespace is None)


@pytest.fixture(params=["embedded", "kubernetes"])
def kit(request):
    return request.getfixturevalue(f"{request.param}_kit")


@pytest.fixture
async def embedded_kit(tmp_path):
    images = {name: argv for name, (argv, _) in IMAGES.items()}

    async def forgotten():
        return POD, "1"

    async with EmbeddedCluster(tmp_path, images) as cluster, _Kit(cluster) as kit:
        kit.say = lambda name, text: None
        kit.forgotten = forgotten
        yield kit


@pytest.fixture
async def kubernetes_kit(kubernetes_cluster, hollow_node, apiserver):
    for image, (_, behaviour) in IMAGES.items():
        hollow_node.behave(_has_image(image), behaviour)
    hollow_node.behave(_has_image("test/absent"), PullError())

    async def forgotten():
        await _make_widgets_known(kubernetes_cluster)
        return WIDGET, "1"  # the API server remembers what happened to widgets since it got to know them

    async with (
        _Kit(kubernetes_cluster) as kit,
        await KubernetesCluster.connect(str(apiserver.kubeconfig), silence=2) as kit.impatient,
    ):
        kit.say = lambda name, text: hollow_node.write_log(kit.namespace, name, text)
        kit.forgotten = forgotten
        yield kit


@asynccontextmanager
async def _running(informer: Informer) -> AsyncIterator[Informer]:
    run = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield informer
    finally:
        run.cancel()
        await asyncio.wait([run])


class _Kit:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __aenter__(self) -> Kit:
        name = f"contract-{uuid.uuid4().hex[:8]}"
        await self._cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        pods = Informer(self._cluster, POD, namespace=name)
        namespaces = Informer(self._cluster, NAMESPACE)
        self._tasks = [asyncio.create_task(informer.run()) for informer in (pods, namespaces)]
        self._ref = Ref(NAMESPACE, name)
        return Kit(
            self._cluster, name, pods, namespaces, say=NotImplemented, forgotten=NotImplemented, impatient=self._cluster
        )

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._cluster.delete(self._ref)


def _has_image(image: str) -> Callable[[Manifest], bool]:
    return lambda pod: pod["spec"]["containers"][0]["image"] == image


async def _make_widgets_known(cluster: Any) -> None:
    definitions = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", False)
    names = {"plural": WIDGET.plural, "kind": WIDGET.kind, "singular": "widget", "listKind": "WidgetList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": definitions.api_version,
        "kind": definitions.kind,
        "metadata": {"name": f"{WIDGET.plural}.{WIDGET.group}"},
        "spec": {
            "group": WIDGET.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    await cluster.create(definition, definitions)
    async with _running(Informer(cluster, definitions)) as informer:
        await informer.wait_for(None, definition["metadata"]["name"], _established)


def _established(definition: Manifest | None) -> bool:
    conditions = (definition or {}).get("status", {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


class Api:
    """Send the answers one after the other, and the last one for ever; keep the requests."""

    def __init__(self):
        self.answers = [web.json_response({})]
        self.requests = []
        self.awaited, self.reached = None, asyncio.Event()

    async def wait_for_requests(self, count):
        self.awaited = count
        await self.reached.wait()

    async def handle(self, request):
        self.requests.append((request, await request.read()))
        if len(self.requests) == self.awaited:
            self.reached.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            return await answer(request)
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


@pytest.fixture
async def api():
    return Api()


@pytest.fixture
async def connect(api, tmp_path):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    kubeconfig = tmp_path / "kubeconfig"

    def write(token):
        user = {"name": "u", "user": {"token": token}}
        cluster = {"name": "c", "cluster": {"server": str(server.make_url("/")).rstrip("/")}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        kubeconfig.write_text(
            json.dumps({"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"})
        )

    @asynccontextmanager
    async def connected(**options):
        write("first")
        async with await KubernetesCluster.connect(str(kubeconfig), **options) as cluster:
            yield cluster

    async with TestServer(app, shutdown_timeout=0.1) as server:
        connected.renew = write
        yield connected
