"""A record, a pod or a request to the broker that cannot be understood harms nobody but its own user."""

from __future__ import annotations

import base64
import copy
import json

import pytest
import structlog

from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.broker.requests import BrokerRequest, request_map
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Phase
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.spawns.errors import RecordUnreadableError
from spawnpenny.testing.site import lab, settled, start

HUGE = 10**400
WRONG = [True, {}, [], None, 1, -1.5, "text", "\ud800", "\0", HUGE, 1e308]
TEXTS = [("user", "username"), ("write_id",), ("namespace",), ("spawns", 0, "id"), ("spawns", 0, "start")]
OTHERS = [
    ("schema",),
    ("user",),
    ("user", "uid"),
    ("user", "groups"),
    ("commissioned",),
    ("applied",),
    ("generation",),
    ("idle_since",),
    ("spawns",),
    ("spawns", 0),
    ("spawns", 0, "key"),
    ("spawns", 0, "options"),
    ("spawns", 0, "env"),
    ("spawns", 0, "requested_at"),
    ("spawns", 0, "deadline"),
    ("spawns", 0, "ended_at"),
    ("spawns", 0, "phase"),
    ("spawns", 0, "desired"),
    ("spawns", 0, "resources"),
    ("spawns", 0, "resources", "cpu"),
    ("spawns", 0, "resources", "spawns"),
    ("spawns", 0, "reason"),
    ("spawns", 0, "url"),
    ("spawns", 0, "pod_uid"),
    ("spawns", 0, "reverted"),
    ("spawns", 0, "steps"),
    ("spawns", 0, "uids"),
    ("spawns", 0, "replaces"),
    ("spawns", 0, "events"),
    ("spawns", 0, "events", 0),
    ("spawns", 0, "events", 0, "id"),
    ("spawns", 0, "events", 0, "time"),
    ("spawns", 0, "events", 0, "message"),
]


def changed(data, place, value):
    """Return a record with another value at one place."""
    data = copy.deepcopy(data)
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return data


async def write(site, slug, data):
    """Write a record, as whoever may write Secrets there could."""
    text = data if isinstance(data, str) else base64.b64encode(json.dumps(data).encode()).decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "spawnpenny.io/record",
        "metadata": {
            "name": f"user-{slug}",
            "namespace": site.settings.namespaces.state,
            "labels": {**labels.ours(site.settings.installation), labels.KIND: "record", labels.USER: slug},
            "annotations": {labels.USERNAME: slug, labels.OWNER: "somebody"},
        },
        "data": {"record": text},
    }
    await site.cluster.create(secret)


@pytest.fixture
async def good(embedded_site):
    """Return the record of a user whose lab runs."""
    async with embedded_site.service() as service:
        await settled(await start(service, user="good"))
        await settled(await start(service, user="bob"))
    secret = await embedded_site.read("Secret", "user-good", embedded_site.settings.namespaces.state)
    return json.loads(base64.b64decode(secret["data"]["record"]))


async def test_records_with_a_wrong_value_anywhere_harm_their_own_users_alone(embedded_site, good):
    bad = [changed(good, place, value) for place in (*TEXTS, *OTHERS) for value in WRONG]
    bad = [data for data in bad if data != good]
    for number, data in enumerate(bad):
        mine = changed(data, ("user", "username"), f"eve{number}") if data["user"] == good["user"] else data
        await write(embedded_site, f"eve{number}", mine)
    async with embedded_site.service() as service:
        assert service.spawns.find("bob", lab()).record.phase is Phase.RUNNING
        assert (await settled(await start(service, user="new"))).record.phase is Phase.RUNNING
        listed = [account.username for account, _ in service.spawns.all("lab")]
        assert {"bob", "good", "new"} <= set(listed)
        await service.maintenance.run_once()
        refused = set(service.spawns.unknown())
        assert "bob" not in refused
        assert "good" not in refused
        for number, data in enumerate(bad):
            if data["user"] != good["user"]:  # the one that S4 is about: no text, or another user's name
                assert f"eve{number}" in refused
                with pytest.raises(RecordUnreadableError):
                    service.spawns.find(f"eve{number}", lab())
        assert not service.supervisor.unwell()


@pytest.mark.parametrize("username", [True, {}, "\ud800", None, "bob", 7])
async def test_a_record_that_turns_bad_does_not_end_the_following_of_others(embedded_site, good, username):
    async with embedded_site.service("a") as one, embedded_site.service("b") as two:
        with structlog.testing.capture_logs() as entries, one.membership.records.subscribe() as changes:
            await write(embedded_site, "eve", changed(good, ("user", "username"), username))
            while (await anext(changes)).object["metadata"]["name"] != "user-eve":
                pass
            await settled(await start(two, user="cleo"))
            await one.membership.ownership.wait_for_other_owner("cleo")
        assert {"bob", "cleo"} <= {
            account.username for service in (one, two) for account in service.spawns.user_states()
        }
        assert sum(service.spawns.unknown() == ["eve"] for service in (one, two)) == 1
        logged = [entry for entry in entries if entry.get("user") == "eve"]
        assert [line["code"] for line in logged] == ["record_unreadable"]


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {labels.ORIGIN: "no JSON"},
        {labels.ORIGIN: json.dumps([])},
        {labels.ORIGIN: json.dumps({"user": True})},
        {labels.ORIGIN: '{"key": "lab/x", "start": {}, "options": [], "started_by": 1, "user": {"username": "bob"}}'},
    ],
)
async def test_a_pod_that_does_not_say_what_it_is_harms_nobody(embedded_site, good, annotations):
    del good
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "forged",
            "namespace": embedded_site.namespace("bob"),
            "labels": {
                **labels.ours(embedded_site.settings.installation),
                labels.USER: "eve",
                labels.SPAWN: "forged",
            },
            "annotations": {labels.USERNAME: "bob", **annotations},
        },
        "spec": {"containers": [{"name": "notebook", "image": "spawnpenny/shell", "command": ["sleep", "60"]}]},
    }
    await embedded_site.cluster.create(pod)
    async with embedded_site.service() as service:
        await service.maintenance.run_once()
        assert service.spawns.find("bob", lab()).record.phase is Phase.RUNNING
        assert service.spawns.user_state("eve") is None


async def test_requests_to_the_broker_that_make_no_sense_keep_no_other_from_being_answered(kube_site):
    kube_site.separate = True
    space, mine = kube_site.settings.namespaces.state, kube_site.settings.installation
    texts = ["", "[]", "7", "{}", '{"verb": {}}', '"\\ud800"', "[" * 5000, "1" * 6000, '{"a":' * 500]
    for number, text in enumerate(texts):
        made = request_map(BrokerRequest("namespace", f"eve{number}", f"n{number}"), namespace=space, installation=mine)
        made["data"] = {"request": text, "other": "x"}
        await kube_site.cluster.create(made)
    bare = request_map(BrokerRequest("namespace", "eve", "bare"), namespace=space, installation=mine)
    del bare["data"]
    await kube_site.cluster.create(bare)
    maps = Informer(kube_site.cluster, resource_of("ConfigMap"), namespace=space)
    following = Supervisor()
    following.supervise("maps", maps.run)
    async with kube_site.broker() as broker, kube_site.service() as service:
        assert (await settled(await start(service, user="bob"))).record.phase is Phase.RUNNING
        for number in range(len(texts)):
            ref = Ref(resource_of("ConfigMap"), f"request-n{number}", space)
            existing = await maps.wait_for(ref.namespace, ref.name, is_answered_or_gone)
            assert existing is None or "answer" in existing["data"]
        assert broker.ready
    await following.close()


def is_answered_or_gone(manifest):
    return manifest is None or "answer" in (manifest.get("data") or {})
