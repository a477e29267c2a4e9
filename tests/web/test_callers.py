"""Two callers, one name: a lab is replaced only by the caller that started it."""

from __future__ import annotations

import pytest

LAB = "/v1/users/ada/labs/~default"
SLOW = {"image": "slow"}
A, B = "JupyterHub http://a/hub/", "JupyterHub http://b/hub/"


async def start(client, name="s1", program=None, *, replace=False, **options):
    body = {"start": name, "options": options or SLOW} | ({"client": program} if program else {})
    return await client.put(f"{LAB}{'?replace=true' if replace else ''}", json=body)


async def over(client):
    """Follow a lab until nothing further happens."""
    async with client.get(f"{LAB}/events") as stream:
        await stream.read()


CASES = {
    "the same token": ("hub", None, "hub", None, 202),
    "the same Hub": ("hub", A, "hub", A, 202),
    "a Hub whose name is newly set": ("hub", None, "hub", A, 202),
    "an operator with the Hub's token": ("hub", A, "hub", None, 202),
    "another token": ("hub", None, "spawner", None, 409),
    "another token that calls itself the same": ("hub", A, "spawner", A, 409),
    "another Hub with the same token": ("hub", A, "hub", B, 409),
    "an administrator": ("hub", A, "admin", None, 409),
    "a user's own command line, after the same": ("ada", None, "ada", None, 202),
    "a user's own command line, after a Hub with the user's credential": ("ada", A, "ada", None, 409),
    "a Hub with the user's credential, after the user's own command line": ("ada", None, "ada", A, 409),
    "a Hub that passes the user's credential from now on": ("hub", A, "ada", A, 202),
    "a Hub that has its own authority from now on": ("ada", A, "hub", A, 202),
    "another Hub, with the user's credential": ("ada", A, "ada", B, 409),
    "a Hub with its own authority, after the user's command line": ("ada", None, "hub", A, 409),
}


@pytest.mark.parametrize(("first", "program", "second", "other", "status"), CASES.values(), ids=CASES)
async def test_who_may_replace(caller, first, program, second, other, status):
    one, two = await caller(first), await caller(second)
    assert (await start(one, "s1", program)).status == 202
    response = await start(two, "s2", other, replace=True)
    assert response.status == status
    answer = await response.json()
    if status == 409:
        assert answer["code"] == "foreign_start"
        assert (answer["by"], answer["client"], answer["start"]) == (f"token:{first}", program, "s1")
        assert f"token:{first}" in answer["detail"]
    lab = await (await one.get(LAB)).json()
    assert lab["start"] == ("s1" if status == 409 else "s2")
    assert (lab["by"], lab["client"]) == ((f"token:{first}", program) if status == 409 else (f"token:{second}", other))


async def test_who_may_stop_it_can_take_it_over(caller, hub):
    spawner = await caller("spawner")
    await start(hub)
    assert (await start(spawner, "s2", replace=True)).status == 409
    await spawner.delete(f"{LAB}?wait=120")
    assert (await start(spawner, "s2")).status == 202


async def test_what_is_being_stopped_is_nobodys_any_more(caller, hub):
    spawner = await caller("spawner")
    await start(hub, image="stubborn")
    await hub.delete(LAB)
    assert (await start(spawner, "s2", replace=True)).status == 202


async def test_what_has_failed_is_replaced_by_anybody_with_the_right(caller, hub):
    spawner = await caller("spawner")
    await start(hub, image="none")
    await over(hub)
    assert (await start(spawner, "s2")).status == 202


async def test_a_late_stop_of_another_start_stops_nothing(caller, hub):
    deleter = await caller("deleter")
    await start(hub)
    assert (await deleter.delete(f"{LAB}?start=another")).status == 204
    assert (await (await hub.get(LAB)).json())["phase"] in {"requested", "pending"}


@pytest.mark.parametrize("program", ["", "x" * 201, "two\nlines", "\u202eright", 7, None])
async def test_a_name_that_is_none_is_refused(hub, program):
    response = await hub.put(LAB, json={"start": "s1", "client": program})
    assert response.status == 422
    assert (await response.json())["errors"][0]["field"] == "client"


@pytest.mark.parametrize("records", ["kept", "lost"])
async def test_who_started_it_outlives_the_service_and_the_record(site, serving, records):
    async with serving(site) as server, server.client("ada") as ada:
        await start(ada, "s1", A, image="default")
        await over(ada)
    if records == "lost":
        await site.cluster.delete(site.ref("Secret", "user-ada", site.settings.namespaces.state))
    async with serving(site) as server, server.client("ada") as ada, server.client("hub") as hub:
        assert (await start(ada, "s2", B, replace=True)).status == 409
        assert (await start(hub, "s2", A, replace=True)).status == 202
