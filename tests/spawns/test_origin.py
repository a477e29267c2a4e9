"""The origin annotation of a pod: what it says is recorded again, in the present form and in the one before."""

from __future__ import annotations

import json

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import Caller, Key, SpawnRequest
from spawnpenny.domain.users import Group, User
from spawnpenny.spawns.origin import origin_of, read_origin
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.spawn_record import SpawnRecord

USER = UserRecord(User("ada", 2001, 2001, (Group("physics", 3001),)), "", commissioned=True, uid_verified=True)
CALLER = Caller("~default", "5f0c", "python:3.12")
REQUEST = SpawnRequest("s1", {"size": "small"}, caller=CALLER, client="hub-1")
RECORD = SpawnRecord(Key("dask", "c1"), "7a", 3, REQUEST, "ada", 1000.0, 1300.0, started_as_user=True)
EARLIER = {
    "by": "ada",
    "caller": {"image": "python:3.12", "lab": "~default", "spawn": "5f0c"},
    "client": "hub-1",
    "commissioned": True,
    "key": "dask/c1",
    "options": {"size": "small"},
    "own": True,
    "start": "s1",
    "user": {"gid": 2001, "groups": [{"id": 3001, "name": "physics"}], "uid": 2001, "username": "ada"},
    "vouched": True,
}


def pod(origin):
    return {
        "metadata": {
            "labels": {labels.SPAWN: "7a", labels.USER: safe_slug("ada")},
            "annotations": {labels.USERNAME: "ada", labels.ORIGIN: origin},
        }
    }


@pytest.mark.parametrize("origin", [origin_of(RECORD, USER), json.dumps(EARLIER)], ids=["present", "earlier"])
def test_a_pod_tells_its_spawn_and_its_user(origin):
    record, user = read_origin(pod(origin), seconds=60)
    assert (record.key, record.id, record.request) == (RECORD.key, RECORD.id, RECORD.request)
    assert (record.started_by, record.started_as_user) == ("ada", True)
    assert record.deadline - record.requested_at == 60
    assert (user.user, user.commissioned, user.uid_verified) == (USER.user, True, True)


@pytest.mark.parametrize(
    ("field", "value"), [("started_by", 1), ("by", 1), ("own", "yes"), ("vouched", "yes"), ("uid_verified", None)]
)
def test_a_wrong_value_is_refused_under_both_names(field, value):
    origin = json.dumps({**json.loads(origin_of(RECORD, USER)), field: value})
    with pytest.raises((TypeError, ValueError)):
        read_origin(pod(origin), seconds=60)
