"""Admission webhooks that change what spawnpenny makes: what they add is borne, what they take away is named."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web

from spawnpenny.domain.spawns import Phase
from spawnpenny.testing.behaviours import make_status, terminated
from spawnpenny.testing.site import settled, start, start_cluster

SIDE = {"name": "a-proxy", "image": "example.org/proxy"}
MESH = {"op": "add", "path": "/spec/containers/-", "value": SIDE | {"name": "z-mesh"}}
INJECTED = {"op": "add", "path": "/spec/containers/0", "value": SIDE}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_PROBES = "/api/v1/namespaces/default/configmaps?dryRun=All"
_PROBE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}}


@asynccontextmanager
async def mutating(apiserver, prefix, kind, *operations):
    """Have JSON patch operations made to each object of a kind that is created in, or is, a namespace of a prefix."""
    reached = asyncio.Event()

    async def answer(http):
        reached.set()
        return web.json_response(_answer(await http.json(), prefix, kind, operations))

    connector = aiohttp.TCPConnector(ssl=apiserver.ssl_context())
    async with (
        _listening(answer) as (url, authority),
        aiohttp.ClientSession(apiserver.url, connector=connector, raise_for_status=True) as http,
    ):
        configuration = _configuration(f"mutating-{secrets.token_hex(4)}.example.org", url, authority)
        (await http.post(_CONFIGURATIONS, json=configuration)).release()
        try:
            while not reached.is_set():  # the API server hears of its own configuration by a watch
                (await http.post(_PROBES, json=_PROBE)).release()
            yield
        finally:
            (await http.delete(f"{_CONFIGURATIONS}/{configuration['metadata']['name']}")).release()


@asynccontextmanager
async def _listening(answer):
    """Serve on a free port of loopback; have the URL, and the authority that signs for it."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    application = web.Application(client_max_size=2**24)
    application.router.add_post("/", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/", authority
    finally:
        await runner.cleanup()


def _answer(request_body, prefix, kind, operations):
    request = request_body["request"]
    response = {"uid": request["uid"], "allowed": True}
    place = request.get("namespace") or request["object"]["metadata"].get("name", "")
    if request["kind"]["kind"] == kind and place.startswith(prefix):
        patch = b64encode(json.dumps(operations).encode()).decode()
        response |= {"patchType": "JSONPatch", "patch": patch}
    return {key: request_body[key] for key in ("apiVersion", "kind")} | {"response": response}


def _configuration(name, url, authority):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    webhook = {
        "name": name,
        "clientConfig": {"url": url, "caBundle": b64encode(authority.cert_pem.bytes()).decode()},
        "rules": [rule | {"resources": ["pods", "secrets", "configmaps", "namespaces"]}],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


def replaced(path, value):
    return {"op": "replace", "path": path, "value": value}


@pytest.mark.parametrize(
    ("kind", "operation", "lost"),
    [
        ("Pod", replaced("/metadata/annotations", {"x": "y"}), "annotation spawnpenny.io/container"),
        ("Pod", {"op": "remove", "path": "/metadata/annotations"}, "annotation spawnpenny.io/origin"),
        ("Pod", replaced("/metadata/labels", {"x": "y"}), "label spawnpenny.io/spawn"),
        ("Pod", replaced("/metadata/labels/spawnpenny.io~1user", "eve"), "label spawnpenny.io/user"),
        ("Pod", replaced("/spec/containers/0/name", "main"), "container notebook"),
        ("Secret", {"op": "remove", "path": "/metadata/labels"}, "label spawnpenny.io/managed-by"),
        ("Namespace", replaced("/metadata/annotations", {"x": "y"}), "annotation spawnpenny.io/username"),
        ("Namespace", replaced("/metadata/labels", {"x": "y"}), "label spawnpenny.io/installation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_webhook_that_takes_away_what_is_needed_is_refused_at_once(apiserver, kube_site, kind, operation, lost):
    async with kube_site.service() as service:
        async with mutating(apiserver, kube_site.namespace(), kind, operation):
            run = await settled(await start(service))
            assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, "cluster_object_altered")
            assert f"the {kind} " in run.record.reason.message
            assert lost in run.record.reason.message
            assert await kube_site.objects("Pod", "Secret") == {}
        again = await settled(await start(service, "again"))  # nothing is left that stands in the way
        assert again.record.phase is Phase.RUNNING, again.record.reason


async def test_a_webhook_that_adds_is_no_trouble(apiserver, kube_site):
    labels = {"op": "add", "path": "/metadata/labels/example.org~1team", "value": "x"}
    async with kube_site.service() as service, mutating(apiserver, kube_site.namespace(), "Pod", INJECTED, labels):
        run = await settled(await start(service))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        assert run.record.url.endswith(":8888/")


async def test_a_clusters_pods_are_judged_by_their_own_containers_beside_injected_ones(
    apiserver, kube_site, hollow_schedulers, hollow_node
):
    kube_site.data["plugins"]["dask"] = {}
    kube_site.data["plugins"]["quota"] = {"cpu": 100, "memory": "200Gi"}
    async with kube_site.service() as service, mutating(apiserver, kube_site.namespace(), "Pod", INJECTED, MESH):
        run = await settled(await start_cluster(service))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        pod = await kube_site.read("Pod", "dask-c1")
        await hollow_node.set_status(kube_site.namespace(), "dask-c1", _states(pod, RUNNING))
        await service.service_context.pods.wait_for(kube_site.namespace(), "dask-c1", _has_ended("a-proxy"))
        assert run.record.phase is Phase.RUNNING
        await hollow_node.set_status(kube_site.namespace(), "dask-c1", _states(pod, terminated(0)))
        while not run.record.phase.over:
            await run.bell.next().wait()
        await run.task
        assert (run.record.phase, run.record.reason.code) == (Phase.EXITED, "program_ended")
        assert await kube_site.read("Pod", "dask-c1") is None


def _states(pod, own):
    """Make the status of a pod of whose injected containers one has ended, and one runs on whatever happens."""
    status, injected = make_status(pod, "Running", own), {"a-proxy": terminated(1), "z-mesh": RUNNING}
    for container in status["containerStatuses"]:
        state = injected.get(container["name"], own)
        container |= {"state": state, "ready": "running" in state}
    for condition in status["conditions"]:
        if condition["type"] in {"Ready", "ContainersReady"}:
            condition["status"] = "False"
    return status


def _has_ended(name):
    def look(pod):
        found = pod["status"].get("containerStatuses", ()) if pod else ()
        return any(container["name"] == name and "terminated" in container["state"] for container in found)

    return look
