"""Broker requests are hostile input: each is answered or ignored, and the others are served."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spawnpenny.broker import worker as broker_worker
from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.requests import BrokerRequest, read_request, request_map, result_of
from spawnpenny.domain.broker_errors import BrokerRequestExpiredError, BrokerUnavailableError
from spawnpenny.domain.users import Group, User
from spawnpenny.errors import InvalidRequestError, ProvisionError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.testing.faults import FaultyCluster

ADA = User("ada", 2001, 2001, (Group("physics", 3001),))
NAMESPACE = {"verb": "namespace", "username": "ada", "nonce": "n"}
ORDER = {"verb": "commission", "username": "ada", "nonce": "n", "dossier": ADA.dossier()}
RELEASE = {"verb": "release", "username": "ada", "nonce": "n", "uid": "u", "purge": False}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def written(text):
    return {"metadata": {"name": "request-x"}, "data": {"request": text}}


def with_part(whole, key, value):
    return {**whole, key: value}


@pytest.mark.parametrize(
    "claim",
    [
        BrokerRequest("namespace", "Ada@example.org", "n"),
        BrokerRequest("release", "ada", "n", uid="u", purge=True),
        BrokerRequest("commission", "ada", "n", dossier=ADA),
    ],
)
def test_a_claim_is_read_as_it_was_written(claim):
    assert read_request(request_map(claim, namespace="state", installation="x")) == claim


@pytest.mark.parametrize(
    "data",
    [
        with_part(NAMESPACE, "verb", "drop"),
        with_part(NAMESPACE, "username", "../kube-system"),
        with_part(NAMESPACE, "username", "a" * 256),
        with_part(NAMESPACE, "username", "a\ud800"),
        with_part(NAMESPACE, "namespace", "kube-system"),
        with_part(NAMESPACE, "uid", "u"),
        with_part(NAMESPACE, "dossier", ADA.dossier()),
        {key: value for key, value in RELEASE.items() if key != "uid"},
        with_part(RELEASE, "purge", "yes"),
        {key: value for key, value in ORDER.items() if key != "dossier"},
        with_part(ORDER, "username", "eve"),
        with_part(ORDER, "dossier", {**ADA.dossier(), "uid": True}),
        with_part(ORDER, "dossier", {**ADA.dossier(), "uid": 2**31}),
        with_part(ORDER, "dossier", {**ADA.dossier(), "env": {"TOKEN": "x"}}),
        with_part(ORDER, "dossier", {**ADA.dossier(), "groups": [{"name": "g", "id": 5}] * 257}),
        with_part(ORDER, "dossier", {**ADA.dossier(), "groups": [{"name": "a:b\nroot", "id": 5}]}),
        with_part(ORDER, "dossier", {**ADA.dossier(), "groups": [{"name": "staff\u202etoor", "id": 5}]}),
        [],
        None,
    ],
    ids=lambda data: json.dumps(data)[:60],
)
def test_a_claim_that_the_service_does_not_make_is_refused(data):
    with pytest.raises(InvalidRequestError) as refused:
        read_request(written(json.dumps(data)))
    assert len(refused.value.message) <= 300


@pytest.mark.parametrize("text", ["", "{", "[" * 50_000, "1" * 5000, '"' + "x" * 70_000 + '"'], ids=lambda t: t[:3])
def test_a_claim_that_is_no_json_is_refused(text):
    with pytest.raises(InvalidRequestError):
        read_request(written(text))


@pytest.mark.parametrize(
    "data",
    [
        {f"usernam{number}": 1 for number in range(3500)},
        {**ORDER, "dossier": {**ADA.dossier(), "groups": [{f"nam{n}": 1 for n in range(9)}] * 250}},
        {**ORDER, "dossier": {**ADA.dossier(), "groups": [0] * 20_000}},
        {**ORDER, "dossier": {f"k{number}": {} for number in range(3000)}},
    ],
    ids=lambda data: json.dumps(data)[:30],
)
def test_the_refusal_of_a_claim_looks_at_few_of_its_keys(compared, data):
    with pytest.raises(InvalidRequestError):
        read_request(written(json.dumps(data)))
    assert len(compared) < 1000


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of it
@given(JSON, st.sampled_from([NAMESPACE, ORDER, RELEASE]), st.sampled_from([*ORDER, *RELEASE, "another"]))
def test_no_content_of_a_claim_has_the_broker_fail(value, whole, key):
    for data in (value, with_part(whole, key, value)):
        try:
            assert isinstance(read_request(written(json.dumps(data))), BrokerRequest)
        except InvalidRequestError:
            continue


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({"code": value, "message": value})))
def test_no_answer_has_the_service_fail_in_another_way_than_it_tells(text):
    with suppress(ProvisionError):
        result_of({"data": {"answer": text}})


def test_an_error_of_another_version_is_reported_as_a_failed_provisioning():
    answer = json.dumps({"code": "something_new", "message": "It is new.", "facts": {"self": 1, "message": 2}})
    with pytest.raises(ProvisionError, match="It is new"):
        result_of({"data": {"answer": answer}})


@pytest.fixture
async def maps(separated):
    """Watch the ConfigMaps of the state namespace."""
    space = separated.settings.namespaces.state
    informer = Informer(separated.cluster, separated.ref("ConfigMap", "x").resource, namespace=space)
    task = asyncio.create_task(informer.run())
    await informer.synced.wait()
    yield informer
    task.cancel()


@pytest.fixture
def put(separated, maps):
    """Create broker requests as the service does, and wait for their answers."""

    async def put_request(name, data=None, text=None, **more):
        settings = separated.settings
        claim = BrokerRequest("namespace", "ada", name)
        manifest = request_map(claim, namespace=settings.namespaces.state, installation=settings.installation)
        manifest["data"] = {"request": text if text is not None else json.dumps(data), **more}
        return await separated.cluster.create(manifest)

    async def answer(made):
        space, name = made["metadata"]["namespace"], made["metadata"]["name"]
        answered = await maps.wait_for(space, name, lambda existing: "answer" in (existing or {}).get("data", {}))
        return json.loads(answered["data"]["answer"])

    put_request.answer = answer
    return put_request


async def test_invalid_claims_are_answered_so_and_hold_up_nobody(separated, put):
    made = [await put(f"bad{number}", text=text) for number, text in enumerate(["", "{", "[]", "[" * 9000])]
    made.append(await put("dossier", {**ORDER, "dossier": {**ADA.dossier(), "uid": 0, "groups": 7}}))
    async with separated.broker():
        good = await put("good", NAMESPACE)
        assert "result" in await put.answer(good)
        assert {(await put.answer(request))["code"] for request in made} == {"request_invalid"}


async def test_a_claim_without_anything_in_it_is_answered(separated, put):
    made = await put("empty", NAMESPACE)
    await separated.cluster.patch(Ref.of(made), {"data": None})
    async with separated.broker():
        assert (await put.answer(made))["code"] == "request_invalid"


async def test_an_answered_claim_is_never_carried_out_again(separated, put):
    await put("old", {**NAMESPACE, "username": "old"}, answer="forged")
    async with separated.broker():
        assert "result" in await put.answer(await put("new", NAMESPACE))
    assert await separated.read("Namespace", separated.namespace("old")) is None


class Aged(FaultyCluster):
    """A cluster on which the request of one name was made a while ago."""

    def __init__(self, cluster, seconds=70):
        super().__init__(cluster)
        self.seconds = seconds

    def made_earlier(self, manifest):
        if manifest["metadata"]["name"] == "request-old":
            made = datetime.now(UTC) - timedelta(seconds=self.seconds)
            manifest["metadata"]["creationTimestamp"] = made.isoformat()
        return manifest

    async def list(self, resource, **where):
        listing = await super().list(resource, **where)
        for item in listing.items:
            self.made_earlier(item)
        return listing


async def test_a_claim_that_is_too_old_is_not_carried_out(separated, put):
    old = await put("old", {**NAMESPACE, "username": "old"})
    separated.cluster = Aged(separated.cluster)
    async with separated.broker():
        assert (await put.answer(old))["code"] == BrokerRequestExpiredError.code
        assert "result" in await put.answer(await put("new", NAMESPACE))
    assert await separated.read("Namespace", separated.namespace("old")) is None


async def test_a_claim_that_is_too_old_is_not_even_parsed(separated, put, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        broker_worker, "read_request", lambda manifest: parsed.append(manifest) or read_request(manifest)
    )
    old = await put("old", text="[" * 60_000)
    separated.cluster = Aged(separated.cluster, 10_000)
    async with separated.broker():
        assert (await put.answer(old))["code"] == BrokerRequestExpiredError.code
        assert "result" in await put.answer(await put("new", NAMESPACE))
    assert [manifest["metadata"]["name"] for manifest in parsed] == ["request-new"]


async def test_many_claims_of_many_keys_leave_the_broker_its_lease(separated, put):
    text = json.dumps({f"usernam{number}": number for number in range(3500)})
    made = [await put(f"many{number}", text=text) for number in range(40)]
    async with separated.broker():
        assert {(await put.answer(request))["code"] for request in made} == {"request_invalid"}
        assert "result" in await put.answer(await put("good", NAMESPACE))


async def test_a_release_is_not_carried_out_when_its_user_may_have_a_lab_elsewhere(separated, put):
    async with separated.broker():
        made = await put.answer(await put("made", NAMESPACE))
    old = await put("old", {"verb": "release", "username": "ada", "nonce": "n", "uid": made["result"], "purge": False})
    separated.cluster = Aged(separated.cluster, separated.settings.broker.timeout + 5)
    async with separated.broker():
        assert (await put.answer(old))["code"] == BrokerRequestExpiredError.code
    assert "deletionTimestamp" not in (await separated.read("Namespace", separated.namespace()))["metadata"]


async def test_an_order_that_was_taken_up_goes_on_after_that_time(separated, put):
    old = await put("old", ORDER, taken="true")
    separated.cluster = Aged(separated.cluster)
    async with separated.broker():
        assert await put.answer(old) == {"result": None}


class Held(FaultyCluster):
    """A cluster that holds up the namespaces of one user."""

    def __init__(self, cluster, name):
        super().__init__(cluster)
        self.name, self.waiting, self.open = name, 0, asyncio.Event()

    async def create(self, manifest, resource=None):
        if manifest["kind"] == "Namespace" and manifest["metadata"]["name"] == self.name:
            self.waiting += 1
            await self.open.wait()
        return await super().create(manifest, resource)


async def test_a_user_who_asks_for_much_holds_up_nobody_else(separated, put):
    separated.data["broker"]["concurrency"] = 2
    separated.cluster = held = Held(separated.cluster, separated.namespace("eve"))
    async with separated.broker():
        many = [await put(f"eve{number}", {**NAMESPACE, "username": "eve"}) for number in range(5)]
        assert "result" in await put.answer(await put("ada", NAMESPACE))
        assert held.waiting == 1
        held.open.set()
        assert len({(await put.answer(request))["result"] for request in many}) == 1


async def test_a_claim_that_takes_long_is_taken_and_waited_for(separated, put):
    separated.data["broker"]["timeout"] = 4
    separated.cluster = held = Held(separated.cluster, separated.namespace("ada"))
    async with separated.broker(), run_broker_client(separated.cluster, separated.settings) as broker:
        claimed = asyncio.create_task(broker.claim_namespace("ada"))
        maps = broker._maps
        with maps.subscribe() as changes:
            async for event in changes:
                if "taken" in event.object.get("data", {}):
                    break
        held.open.set()
        assert await claimed


async def test_a_claim_that_nobody_takes_up_fails_and_is_withdrawn(separated, maps):
    separated.data["broker"]["timeout"] = 0.5
    async with run_broker_client(separated.cluster, separated.settings) as broker:
        with pytest.raises(BrokerUnavailableError, match="does not answer"):
            await broker.claim_namespace("ada")
        resource = separated.ref("ConfigMap", "x").resource
        mine = {"spawnpenny.io/kind": "request"}
        left = await separated.cluster.list(resource, namespace=separated.settings.namespaces.state, labels=mine)
        assert left.items == ()


async def test_a_claim_is_deleted_when_it_was_answered(separated, maps):
    async with separated.broker(), run_broker_client(separated.cluster, separated.settings) as broker:
        with maps.subscribe() as changes:
            await broker.claim_namespace("ada")
            async for event in changes:
                if event.type == "DELETED" and event.object["metadata"]["name"].startswith("request-"):
                    assert "answer" in event.object["data"]
                    break


async def test_what_was_withdrawn_before_its_turn_is_not_carried_out(separated, put):
    separated.cluster = held = Held(separated.cluster, separated.namespace("ada"))
    held.open.set()
    async with separated.broker():
        uid = (await put.answer(await put("first", NAMESPACE)))["result"]
        held.open.clear()
        await put("held", NAMESPACE)
        release = await put("release", {**RELEASE, "uid": uid})
        await separated.cluster.delete(Ref.of(release))
        other = await put("other", {**NAMESPACE, "username": "bob"})
        assert "result" in await put.answer(other)  # the broker has heard of the deletion by then
        held.open.set()
        assert (await put.answer(await put("last", NAMESPACE)))["result"] == uid
