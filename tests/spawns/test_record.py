"""The record of a user: it survives being stored, fits into one Secret when full, and refuses what is newer."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spawnpenny.domain import labels, spawns
from spawnpenny.domain.events import EventLog, EventType
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import (
    Caller,
    Desired,
    Key,
    Phase,
    Reason,
    Scale,
    SpawnRequest,
    StepProgress,
    StepState,
    Tls,
)
from spawnpenny.domain.users import Group, User
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.errors import RecordTooNewError, RecordUnreadableError
from spawnpenny.spawns.record import Applied, UserRecord
from spawnpenny.spawns.record_schema import SCHEMA
from spawnpenny.spawns.spawn_record import Replaced, SpawnRecord
from spawnpenny.spawns.store import RecordStore, read_record
from spawnpenny.web.schemas.fields import MAX_OPTIONS_BYTES
from spawnpenny.web.schemas.incoming import json_bytes

MAX_SECRET = 1024 * 1024
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TABLES = st.dictionaries(WORDS, WORDS, max_size=3)
NUMBERS = st.integers(0, 2**31)
TIMES = st.floats(0, 1e11)
SPAWNS = st.builds(
    SpawnRecord,
    key=st.builds(Key, st.sampled_from(["lab", "dask", "user", "ray"]), WORDS),
    id=WORDS,
    generation=st.just(7),
    request=st.builds(
        SpawnRequest,
        WORDS,
        TABLES,
        TABLES,
        st.none(),
        st.none() | st.builds(Tls, WORDS, WORDS, WORDS),
        st.none() | st.builds(Caller, WORDS, WORDS, WORDS),
    ),
    started_by=WORDS,
    requested_at=TIMES,
    deadline=TIMES,
    desired=st.sampled_from(Desired),
    phase=st.sampled_from(Phase),
    resources=st.builds(
        Resources,
        st.decimals(0, 100, places=3),
        NUMBERS.map(Decimal),
        st.dictionaries(st.sampled_from(["lab", "ray"]), st.integers(1, 9)),
    ),
    reason=st.none() | st.builds(Reason, WORDS, WORDS),
    url=st.none() | WORDS,
    pod_uid=st.none() | WORDS,
    ended_at=st.none() | TIMES,
    reverted=st.booleans(),
    steps=st.lists(st.builds(StepProgress, WORDS, st.sampled_from(StepState), st.none() | TIMES), max_size=3),
    uids=TABLES,
    secrets=TABLES,
    scale=st.builds(Scale, NUMBERS, NUMBERS, st.none() | NUMBERS, st.booleans()),
    replaces=st.lists(st.builds(Replaced, WORDS, TABLES), max_size=2),
    log=st.builds(EventLog, st.just(7)),
)
RECORDS = st.builds(
    UserRecord,
    user=st.builds(User, WORDS, NUMBERS, NUMBERS, st.lists(st.builds(Group, WORDS, NUMBERS), max_size=3).map(tuple)),
    owner=WORDS,
    commissioned=st.booleans(),
    namespace=WORDS,
    applied=st.dictionaries(WORDS, st.builds(Applied, WORDS, WORDS), max_size=3),
    spawns=st.lists(SPAWNS, max_size=3).map(lambda found: {spawn.key: spawn for spawn in found}),
    generation=NUMBERS,
    write_id=NUMBERS,
)


def stored(record):
    return json.loads(json.dumps(record.to_json()))


@given(RECORDS)
@settings(max_examples=40)
def test_a_record_survives_being_stored(record):
    read = UserRecord.from_json(stored(record))
    assert stored(read) == stored(record)
    for key, spawn in record.spawns.items():
        # a log has no equality of its own: its events are compared above
        spawn.log = read.spawns[key].log
    assert read == record


def test_the_events_of_a_stored_spawn_go_on_where_they_were():
    record = full_record()
    read = UserRecord.from_json(stored(record))
    for key, spawn in record.spawns.items():
        assert read.spawns[key].log.since(None) == spawn.log.since(None)


def test_forgotten_secrets_are_nowhere_in_the_record():
    spawn = next(iter(full_record().spawns.values()))
    spawn.forget_secrets()
    assert "s3cr3t" not in json.dumps(spawn.to_json())


def test_what_a_user_has_in_use_leaves_out_the_spawn_itself_and_those_that_are_over():
    record = full_record()
    first, second, third, *_ = record.spawns
    record.spawns[second].phase, record.spawns[third].phase = Phase.FAILED, Phase.EXITED
    assert record.resources_in_use(but=first).count("lab") == spawns.MAX_SPAWNS - 3


def full_record():
    """Make a record that is filled to every bound."""
    groups, size = [], 0
    while size < Settings().web.max_body:
        groups.append(Group("é" * 255, 2**31 - len(groups) - 1))
        size += json_bytes({"name": groups[-1].name, "id": groups[-1].id})
    record = UserRecord(User("日" * 255, 2**31 - 1, 2**31 - 1, tuple(groups)), owner="x" * 64)
    for number in range(spawns.MAX_SPAWNS):
        spawn = full_spawn(f"{'é' * 62}{number}")
        record.spawns[spawn.key] = spawn
    return record


def full_spawn(name):
    tls = Tls("s3cr3t", "\n" * 1000, "\n" * 1000)
    env = filled("é", spawns.MAX_ENV_BYTES - json_bytes(asdict(tls)), S="s3cr3t")
    env["SPAWNPENNY_TOKEN"] = "t" * 150
    caller = Caller("é" * 63, "i" * 16, "n" * 255, filled('"', spawns.MAX_CALLER_OPTIONS_BYTES))
    request = SpawnRequest("s" * 64, filled('"', MAX_OPTIONS_BYTES), env, tls=tls, caller=caller)
    spawn = SpawnRecord(
        Key("lab", name), "i" * 16, 1, request, "b" * 255, 1e9, 1e9, resources=Resources(spawns={"lab": 1})
    )
    spawn.log = EventLog(1)
    for _ in range(spawns.MAX_EVENTS):
        spawn.log.add(EventType.STEP, 1e9, "😀" * 500, step="a.step.with.a.name", state="running")
    spawn.reason = Reason("pod_crashed", "é" * 1000)
    spawn.steps = [StepProgress(f"step.number.{number}", StepState.REVERTED, 123.456) for number in range(30)]
    spawn.secrets, spawn.scale = {"authority": "\n" * 2000, "control": "c" * 43}, Scale(10**6, 10**6, 10**6, True)
    spawn.state = filled('"', spawns.MAX_STATE_BYTES)
    spawn.uids = {f"ConfigMap/{'n' * 50}{number}": "u" * 36 for number in range(10)}
    return spawn


def filled(character, size, **table):
    """Return a table that takes as many bytes of JSON as it may."""
    table["A"] = ""
    table["A"] = character * ((size - json_bytes(table)) // (json_bytes(character) - 2))
    assert size - 2 < json_bytes(table) <= size
    return table


def test_the_fullest_record_fits_into_a_secret():
    text = json.dumps(full_record().to_json(), ensure_ascii=False, separators=(",", ":")).encode()
    assert len(text) < MAX_SECRET * 0.95


# aiohttp would rather be given a file: 1.1 MB of base64 is beyond what it takes as bytes without a word
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_the_api_server_takes_the_fullest_record(kube_site):
    store = store_of(kube_site)
    record = full_record()
    await store.save(record)
    await store.save(record)
    stored = await kube_site.read("Secret", f"user-{safe_slug(record.user.username)}", store.namespace)
    assert read_record(stored).to_json() == record.to_json()


def store_of(site):
    return RecordStore(site.cluster, site.settings.namespaces.state, site.settings.installation, "replica")


def test_a_record_of_the_schema_before_is_read_whole():
    text = Path(__file__).with_name("records").joinpath(f"schema-{SCHEMA - 1}.json").read_text()
    before = json.loads(text)
    for spawn in before["spawns"]:  # which had no numbers by kind
        spawn["resources"] = {"cpu": spawn["resources"]["cpu"], "memory": spawn["resources"]["memory"]}
        spawn["resources"]["spawns"] = {Key.parse(spawn["key"]).kind: 1}
    assert UserRecord.from_json(json.loads(text)).to_json() == {**before, "schema": SCHEMA}


def test_a_record_of_two_schemas_before_is_refused():
    stored = json.loads(Path(__file__).with_name("records").joinpath(f"schema-{SCHEMA - 1}.json").read_text())
    secret = {"data": {"record": base64.b64encode(json.dumps({**stored, "schema": SCHEMA - 2}).encode()).decode()}}
    with pytest.raises(RecordUnreadableError):
        read_record(secret)


def test_a_newer_record_is_refused():
    with pytest.raises(RecordTooNewError) as refused:
        UserRecord.from_json({"schema": SCHEMA + 1, "whatever": "comes"})
    assert (refused.value.code, refused.value.status) == ("record_too_new", 503)


async def test_a_newer_record_is_left_alone_and_the_others_are_read(embedded_site):
    store = store_of(embedded_site)
    await store.save(UserRecord(User("ada", 1000, 100), "replica"))
    newer = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "user-bob",
            "namespace": store.namespace,
            "labels": {**labels.ours(store.installation), labels.KIND: "record"},
            "annotations": {labels.USERNAME: "bob"},
        },
        "data": {"record": base64.b64encode(json.dumps({"schema": SCHEMA + 1}).encode()).decode()},
    }
    await embedded_site.cluster.create(newer)
    async with embedded_site.service() as service:
        assert service.spawns.user_state("ada").username == "ada"
        assert service.spawns.unknown() == ["bob"]
        with pytest.raises(RecordTooNewError):
            service.spawns.user_state("bob")
    assert (await embedded_site.read("Secret", "user-bob", store.namespace))["data"] == newer["data"]
