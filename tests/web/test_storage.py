"""Deleting a lab's storage over HTTP: only for who may, and told where it was kept."""

from __future__ import annotations

import pytest

from spawnpenny.auth.static_tokens import hash_token

LAB = "/v1/users/ada/labs/~default"
CLAIM = "PersistentVolumeClaim"


@pytest.fixture
def with_storage(site, request):
    """Have labs with storage, and somebody who may delete it; a parameter is further settings."""
    site.data["plugins"]["storage"] = {"retain": False, **getattr(request, "param", {})}
    for name, (scopes, user) in {
        "purger": (["spawn:any", "read:any", "delete:any", "purge"], None),
        "ada-purger": (["spawn:self", "purge"], "ada"),
    }.items():
        site.data["tokens"][name] = {"sha256": hash_token(f"{name}-token"), "scopes": scopes, "user": user}


async def running(client, path=LAB):
    await client.put(path, json={"start": "s"})
    await (await client.get(f"{path}/events")).text()
    return (await (await client.get(path)).json())["phase"]


@pytest.mark.parametrize("who", ["hub", "admin", "ada"])
async def test_who_may_only_stop_a_lab_deletes_no_storage_and_stops_nothing(with_storage, site, caller, hub, who):
    assert await running(hub) == "running"
    refused = await (await caller(who)).delete(f"{LAB}?purge=storage")
    assert (refused.status, (await refused.json())["code"]) == (403, "forbidden")
    assert set(await site.objects("Pod", CLAIM)) == {"Pod/lab", f"{CLAIM}/claim-ada"}


async def test_the_scope_opens_nothing_of_another_user(with_storage, caller):
    assert (await (await caller("ada-purger")).delete("/v1/users/bob/labs/~default?purge=storage")).status == 403


@pytest.mark.parametrize("who", ["purger", "ada-purger"])
async def test_lab_and_storage_are_gone_and_the_audit_log_says_who(with_storage, site, caller, hub, logged, who):
    assert await running(hub) == "running"
    client = await caller(who)
    assert (await client.delete(f"{LAB}?purge=storage&wait=120")).status == 204
    assert await site.objects("Pod", CLAIM) == {}
    assert (await client.get(LAB)).status == 404
    assert (await client.delete(f"{LAB}?purge=storage&wait=120")).status == 204
    rows = [line for line in logged() if line["logger"] == "spawnpenny.audit"]
    assert [(line["event"], line.get("purge"), line["who"], line["status"]) for line in rows] == [
        ("lab.start", None, "token:hub", 202),
        *[("lab.stop", "storage", f"token:{who}", 204)] * 2,
    ]


@pytest.mark.parametrize("with_storage", [{"per": "user"}], indirect=True)
async def test_what_was_kept_is_reported(with_storage, site, caller, hub):
    assert await running(hub) == "running"
    answer = await (await caller("purger")).delete(f"{LAB}?purge=storage&wait=120")
    document = await answer.json()
    assert (answer.status, document["code"]) == (409, "storage_kept")
    assert "goes when the user is retired with purge=storage" in document["detail"]
    assert set(await site.objects("Pod", CLAIM)) == {f"{CLAIM}/claim-ada"}
    assert (await hub.get(LAB)).status == 404


async def test_it_is_asked_for_in_one_way(with_storage, caller):
    assert (await (await caller("purger")).delete(f"{LAB}?purge=everything")).status == 422
