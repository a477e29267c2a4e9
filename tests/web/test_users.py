"""Users over HTTP: commissioned with a dossier, and looked at."""

from __future__ import annotations

import json

import pytest

USER = "/v1/users/ada"
DOSSIER = {"uid": 1234, "gid": 99, "groups": [{"name": "g one", "id": 5}]}


async def commissioned(hub, **dossier):
    response = await hub.put(USER, json={**DOSSIER, **dossier})
    await (await hub.get(f"{USER}/events")).text()
    return response.status, await (await hub.get(USER)).json()


async def test_a_commissioned_user_is_active_with_the_dossier(hub):
    status, user = await commissioned(hub)
    assert status == 202
    assert user.pop("last_changed") > 0
    assert user == {"username": "ada", "status": "active", "reason": None, **DOSSIER}


async def test_the_events_of_a_user_speak_of_the_phases_as_the_status_does(hub):
    await hub.put(USER, json=DOSSIER)
    text = await (await hub.get(f"{USER}/events")).text()
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    phases = [(event["phase"], event["message"]) for event in events if event["type"] == "phase"]
    assert phases == [("commissioning", "commissioning"), ("active", "active")]


async def test_the_same_dossier_again_is_the_same_commissioning(hub):
    await commissioned(hub)
    assert (await commissioned(hub))[0] == 200


async def test_another_dossier_is_another_commissioning(hub):
    await commissioned(hub)
    status, user = await commissioned(hub, uid=4321)
    assert (status, user["uid"]) == (202, 4321)


async def test_without_a_gid_it_is_the_sites(hub, site):
    await hub.put(USER, json={"uid": 1234})
    assert (await (await hub.get(USER)).json())["gid"] == site.settings.users.gid


async def test_a_retired_user_is_not_found(hub):
    await commissioned(hub)
    assert (await hub.delete(f"{USER}?wait=120")).status == 204
    assert (await hub.get(USER)).status == 404
    assert (await hub.delete(USER)).status == 204


async def test_storage_is_deleted_only_with_the_scope_for_it(hub):
    await commissioned(hub)
    refused = await hub.delete(f"{USER}?purge=storage")
    assert (refused.status, (await refused.json())["code"]) == (403, "forbidden")
    assert (await hub.delete(f"{USER}?purge=everything")).status == 422


@pytest.fixture
def failing_order(site, tmp_path):
    orders = tmp_path / "orders.json"
    orders.write_text(json.dumps({"commission": [{"name": "make-home", "image": "no/such"}]}))
    site.data["broker"] = {"orders": str(orders)}


async def test_a_failed_order_is_reported(failing_order, hub):
    _, user = await commissioned(hub)
    assert (user["status"], user["reason"]["code"]) == ("failed", "provision_failed")


@pytest.mark.parametrize(
    "dossier",
    [
        {},
        {"uid": "1234"},
        {"uid": True},
        {"uid": -1},
        {"uid": 2**31},
        {"uid": 1234, "username": "eve"},
        {"uid": 1234, "shell": "/bin/sh"},
        {"uid": 1234, "groups": [{"name": "root:x:0:\nx", "id": 5}]},
        {"uid": 1234, "groups": [{"name": "g"}]},
        {"uid": 1234, "groups": {"g": 5}},
        {"uid": 1234, "groups": [{"name": "g", "id": 5}] * 257},
    ],
)
async def test_a_dossier_that_is_not_one_is_refused(hub, dossier):
    response = await hub.put(USER, json=dossier)
    assert response.status == 422
    assert (await response.json())["errors"]


async def test_a_uid_below_the_sites_is_refused(hub):
    response = await hub.put(USER, json={"uid": 0})
    assert (response.status, (await response.json())["code"]) == (403, "forbidden")


async def test_a_user_of_whom_nothing_is_known_is_reported_so(hub):
    for path in (USER, f"{USER}/events"):
        assert (await (await hub.get(path)).json())["code"] == "user_not_found"
