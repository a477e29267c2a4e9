"""How the port to Kubernetes takes an API server that is slow, busy, broken or lying."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiohttp import web

from spawnpenny.errors import QuotaExceededError, SettingsError
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.errors import (
    ClusterForbiddenError,
    ConflictError,
    ExpiredError,
    InvalidObjectError,
    LimitRangeRefusedError,
    NotFoundError,
    PodSecurityRefusedError,
    PolicyRefusedError,
    TerminatingError,
    UnavailableError,
)
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.testing.patience import PATIENCE

BOUNDS = (
    "maximum memory usage per Container is 1Gi, but limit is 2Gi",
    "maximum cpu usage per Pod is 2, but limit is 2500m, maximum memory usage per Pod is 2Gi, but limit is 4Gi",
    "minimum cpu usage per Container is 500m, but request is 100m",
    "maximum memory usage per Container is 1Gi.  No limit is specified",
    "cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000",
    "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi",
)
FENCE = "ValidatingAdmissionPolicy 'spawnpenny-service' with binding 'spawnpenny-service' denied"
POD = resource_of("Pod")
REF = Ref(POD, "p", "ns")
MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "ns"},
    "spec": {"secret": "geheim"},
}


def status(code, message="", reason="", headers=None, **details):
    answer = {"kind": "Status", "code": code, "message": message, "reason": reason, "details": details}
    return web.json_response(answer, status=code, headers=headers)


async def reset(request):
    request.transport.abort()
    return web.Response()


async def hang(request):
    await asyncio.sleep(30)
    return web.Response()


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        web.Response(status=502, text="<html>"),
        status(503),
        status(429),
        status(409, 'Operation cannot be fulfilled on resourcequotas "q": changed', "Conflict"),
        status(403, 'error looking up service account ns/default: serviceaccount "default" not found'),
        status(403, "status unknown for quota: q, resources: pods"),
        status(403, 'pods is forbidden: User "u" cannot create resource "pods" in the namespace "ns"'),
        reset,
    ],
    ids=["500", "502", "503", "429", "quota race", "no account yet", "no quota status yet", "rbac", "reset"],
)
async def test_a_passing_fault_is_tried_again(api, connect, fault):
    api.answers = [fault, fault, web.json_response(MANIFEST)]
    async with connect() as cluster:
        assert await cluster.create(MANIFEST) == MANIFEST
    assert len(api.requests) == 3


async def test_an_account_that_nobody_makes_is_not_waited_for(api, connect):
    api.answers = [status(403, 'error looking up service account ns/site: serviceaccount "site" not found')]
    async with connect() as cluster:
        with pytest.raises(ClusterForbiddenError, match='serviceaccount "site" not found'):
            await cluster.create(MANIFEST)
    assert len(api.requests) == 1


async def test_retry_after_is_honoured(api, connect):
    api.answers = [status(429, headers={"Retry-After": "1"}), web.json_response(MANIFEST)]
    async with connect() as cluster:
        began = time.monotonic()
        await cluster.read(REF)
    assert time.monotonic() - began >= 1


async def test_a_retry_after_beyond_our_patience_is_not_waited_for(api, connect):
    api.answers = [status(429, headers={"Retry-After": "60"})]
    async with connect() as cluster:
        with pytest.raises(UnavailableError):
            await cluster.read(REF)
    assert len(api.requests) == 1


async def test_patience_ends(api, connect):
    api.answers = [status(503)]
    async with connect(patience=0.5) as cluster:
        with pytest.raises(UnavailableError):
            await cluster.read(REF)
    assert len(api.requests) >= 2


async def test_a_silent_server_is_not_waited_for(api, connect):
    api.answers = [hang]
    async with connect(timeout=0.2, patience=0.5) as cluster:
        with pytest.raises(UnavailableError, match="no answer within"):
            await cluster.read(REF)
    assert len(api.requests) >= 2


async def test_a_real_denial_is_reported_long_before_patience_ends(api, connect):
    api.answers = [status(403, 'pods is forbidden: User "u" cannot create resource "pods"')]
    async with connect(patience=10 * PATIENCE) as cluster, asyncio.timeout(PATIENCE):
        with pytest.raises(ClusterForbiddenError, match="cannot create"):
            await cluster.create(MANIFEST)


async def test_a_lease_is_renewed_however_many_other_calls_wait(api, connect):
    """A service whose hundreds of spawns fill all connections would lose its lease, and with it all of them."""
    held = asyncio.Event()
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "ns"}}

    async def answer(request):
        if "/leases/" not in request.path:
            await held.wait()
        return web.json_response(MANIFEST)

    api.answers = [answer]
    async with connect(timeout=PATIENCE, patience=PATIENCE) as cluster:
        reads = [asyncio.create_task(cluster.read(REF)) for _ in range(200)]
        await api.wait_for_requests(100)
        assert await cluster.replace(lease) == await cluster.read(Ref(resource_of("Lease"), "l", "ns")) == MANIFEST
        assert not any(read.done() for read in reads)
        held.set()
        await asyncio.gather(*reads)


async def test_a_denial_on_all_namespaces_is_reported_at_once(api, connect):
    api.answers = [status(403, 'pods is forbidden: User "u" cannot list resource "pods"')]
    async with connect() as cluster:
        with pytest.raises(ClusterForbiddenError):
            await cluster.list(POD)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(403, "unable to create new content because it is being terminated"), TerminatingError),
        (status(403, "no", causes=[{"reason": "NamespaceTerminating"}]), TerminatingError),
        (status(403, 'pods "p" is forbidden: violates PodSecurity "restricted:latest": x'), PodSecurityRefusedError),
        *((status(403, f'pods "p" is forbidden: {bound}'), LimitRangeRefusedError) for bound in BOUNDS),
        (status(403, f'pods "p" is forbidden: {FENCE} request: It cannot be.'), PolicyRefusedError),
        (status(422, f'pods "p" is invalid: {FENCE} request: no'), PolicyRefusedError),
        (status(422, 'admission webhook "w" denied the request: no root'), PolicyRefusedError),
        (status(403, 'admission webhook "w" denied the request: you cannot'), PolicyRefusedError),
        (status(401, "Unauthorized"), ClusterForbiddenError),
        (status(404, name="ns", kind="namespaces"), NotFoundError),
        (web.Response(status=404, text="404 page not found"), InvalidObjectError),
        (status(409, reason="Conflict"), ConflictError),
        (status(410), ExpiredError),
        (status(400), InvalidObjectError),
    ],
)
async def test_a_refusal_has_its_own_error_and_is_final(api, connect, answer, error):
    api.answers = [answer]
    async with connect() as cluster:
        with pytest.raises(error):
            await cluster.create(MANIFEST)
    assert len(api.requests) == 1


async def test_a_quota_names_the_resource_that_is_exceeded(api, connect):
    numbers = "requested: limits.cpu=3,pods=1, used: limits.cpu=6,pods=3, limited: limits.cpu=8,pods=3"
    api.answers = [status(403, f'pods "p" is forbidden: exceeded quota: q, {numbers}')]
    async with connect() as cluster:
        with pytest.raises(QuotaExceededError) as refusal:
            await cluster.create(MANIFEST)
    assert refusal.value.facts == {"resource": "limits.cpu", "asked": "3", "used": "6", "limit": "8"}
    assert refusal.value.advice is None


async def test_where_the_whole_limit_is_too_small_nobody_is_advised_to_stop_something(api, connect):
    numbers = (
        "requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=0, limited: requests.nvidia.com/gpu=0"
    )
    api.answers = [status(403, f'pods "p" is forbidden: exceeded quota: site, {numbers}')]
    async with connect() as cluster:
        with pytest.raises(QuotaExceededError) as refusal:
            await cluster.create(MANIFEST)
    assert refusal.value.advice.startswith("Choose something smaller")


@pytest.mark.parametrize(
    "cause",
    [
        'Invalid value: "geheim": must be short',
        'Invalid value: core.EnvVar{Value: "geheim"}: no',
        "Forbidden: may not change fields\n  Value: geheim",
    ],
)
async def test_no_error_quotes_what_was_sent(api, connect, cause):
    api.answers = [status(422, f"Pod is invalid: {cause}", causes=[{"field": "spec", "message": cause}])]
    async with connect() as cluster:
        with pytest.raises(InvalidObjectError) as refusal:
            await cluster.create(MANIFEST)
    assert "spec" in str(refusal.value)
    assert "geheim" not in str(refusal.value)


async def test_a_list_turns_the_pages_and_completes_the_items(api, connect):
    item = {"metadata": {"name": "p"}}
    first = {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [item]}
    last = {"metadata": {"resourceVersion": "7"}, "items": [item]}
    api.answers = [web.json_response(first), web.json_response(last)]
    async with connect() as cluster:
        listing = await cluster.list(POD, labels={"a": "1", "b": "2"})
    assert listing.version == "7"
    assert [(item["apiVersion"], item["kind"]) for item in listing.items] == [("v1", "Pod")] * 2
    assert dict(api.requests[1][0].query) == {"labelSelector": "a=1,b=2", "limit": "500", "continue": "more"}


async def test_a_list_whose_pages_expired_is_taken_at_once(api, connect):
    first = {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": []}
    whole = {"metadata": {"resourceVersion": "9"}, "items": []}
    api.answers = [web.json_response(first), status(410), web.json_response(whole)]
    async with connect() as cluster:
        assert (await cluster.list(POD)).version == "9"


async def test_a_resource_of_any_group_has_its_path(api, connect):
    async with connect() as cluster:
        await cluster.read(Ref(Resource("ricoberger.de/v1alpha1", "VaultSecret", "vaultsecrets"), "v", "ns"))
    assert api.requests[0][0].path == "/apis/ricoberger.de/v1alpha1/namespaces/ns/vaultsecrets/v"


@pytest.mark.parametrize("name", ["", "..", "."])
async def test_a_name_that_would_change_the_path_is_refused(api, connect, name):
    async with connect() as cluster:
        with pytest.raises(InvalidObjectError):
            await cluster.delete(Ref(POD, name, "ns"))
    assert not api.requests


async def test_a_name_with_a_slash_stays_a_name(api, connect):
    async with connect() as cluster:
        await cluster.read(Ref(POD, "../../secrets/s", "ns"))
    assert api.requests[0][0].raw_path == "/api/v1/namespaces/ns/pods/..%2F..%2Fsecrets%2Fs"


async def test_proxy_settings_of_the_environment_are_not_used(api, connect, monkeypatch):
    api.answers = [web.json_response(MANIFEST)]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with connect() as cluster:
        assert await cluster.read(REF) == MANIFEST


async def test_the_user_agent_says_who_asks(api, connect):
    async with connect() as cluster:
        await cluster.read(REF)
    assert api.requests[0][0].headers["User-Agent"].startswith("spawnpenny/")


async def test_a_refused_token_is_read_again(api, connect):
    async with connect() as cluster:
        connect.renew("second")
        api.answers = [status(401), web.json_response(MANIFEST)]
        await cluster.read(REF)
    assert [request.headers["Authorization"] for request, _ in api.requests] == ["Bearer first", "Bearer second"]


async def test_a_kubeconfig_that_cannot_be_used_is_reported_without_its_secrets(tmp_path):
    broken = tmp_path / "kubeconfig"
    broken.write_text(json.dumps({"users": [{"name": "u", "user": {"token": "geheim"}}]}))
    with pytest.raises(SettingsError) as refusal:
        await KubernetesCluster.connect(str(broken))
    assert "current-context" in str(refusal.value)
    assert "geheim" not in str(refusal.value)


async def test_a_delete_states_uid_and_grace(api, connect):
    async with connect() as cluster:
        await cluster.delete(REF, uid="u", grace=0)
    options = json.loads(api.requests[0][1])
    assert (options["preconditions"], options["gracePeriodSeconds"]) == ({"uid": "u"}, 0)
