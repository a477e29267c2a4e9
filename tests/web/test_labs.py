"""Labs over HTTP: started once, seen, replaced, stopped."""

from __future__ import annotations

import asyncio
import json

from spawnpenny.web.schemas.responses import LabView

LAB = "/v1/users/ada/labs/~default"
SLOW = {"image": "slow"}


async def put(client, start="s1", *, query="", **more):
    return await client.put(f"{LAB}{query}", json={"start": start, **more})


async def events(client, path=f"{LAB}/events", **headers):
    """Read a stream of events to its end."""
    response = await client.get(path, headers=headers)
    assert response.status == 200
    found = []
    for block in (await response.text()).split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append({**json.loads(fields["data"]), "sse": (fields["id"], fields["event"])})
    return found


async def test_a_new_start_is_accepted_and_says_where_to_look(hub):
    response = await put(hub)
    assert response.status == 202
    assert response.headers["Location"] == LAB
    assert (await response.json())["start"] == "s1"


async def test_the_same_start_twice_is_one_lab(hub):
    first, second = await put(hub), await put(hub)
    assert (first.status, second.status) == (202, 200)
    assert (await first.json())["spawn"] == (await second.json())["spawn"]


async def test_a_lab_tells_phase_url_steps_and_times(hub):
    await put(hub)
    await events(hub)
    lab = await (await hub.get(LAB)).json()
    assert lab["phase"] == "running"
    assert lab["url"].startswith("http://127.")
    assert {step["state"] for step in lab["steps"]} == {"done"}
    assert all(step["seconds"] >= 0 for step in lab["steps"])
    assert lab["requested_at"] < lab["deadline"]
    assert lab["reason"] is None
    assert lab["progress"] == 100


async def test_a_lab_is_as_the_openapi_document_says(hub):
    assert (await (await put(hub)).json()).keys() == LabView().fields.keys()


async def test_another_start_is_a_conflict(hub):
    await put(hub, options=SLOW)
    response = await put(hub, "s2")
    assert response.status == 409
    assert (await response.json())["code"] == "start_conflict"


async def test_another_start_may_replace(hub):
    first = await (await put(hub)).json()
    response = await put(hub, "s2", query="?replace=true")
    assert response.status == 202
    assert (await response.json())["spawn"] != first["spawn"]
    await events(hub)
    assert (await (await hub.get(LAB)).json())["start"] == "s2"


async def test_an_absent_lab_differs_from_an_absent_route(hub):
    lab, route = await hub.get(LAB), await hub.get("/v1/nothing")
    assert ((await lab.json())["code"], (await route.json())["code"]) == ("lab_not_found", "route_not_found")


async def test_a_delete_is_accepted_and_one_that_waits_answers_when_it_is_gone(hub):
    await put(hub)
    assert (await hub.delete(LAB)).status == 202
    assert (await hub.delete(f"{LAB}?wait=120")).status == 204
    assert (await hub.get(LAB)).status == 404


async def test_a_late_delete_does_nothing_to_another_start(hub):
    await put(hub, "s2")
    assert (await hub.delete(f"{LAB}?start=s1&wait=120")).status == 204
    assert (await (await hub.get(LAB)).json())["start"] == "s2"


async def test_deleting_an_absent_lab_is_success(hub):
    assert (await hub.delete(LAB)).status == 204


async def test_a_delete_that_waits_too_short_is_still_accepted(hub):
    await put(hub, options={"image": "stubborn"})
    await events(hub)
    response = await hub.delete(f"{LAB}?wait=0.01")
    assert response.status == 202
    left = await response.json()
    assert (left["phase"], left["grace"]) == ("stopping", 1)


async def test_put_and_delete_at_once_end_in_one_clear_state(hub):
    started, stopped = await asyncio.gather(put(hub), hub.delete(LAB))
    assert started.status == 202
    if stopped.status == 202:
        await hub.delete(f"{LAB}?wait=120")
        assert (await hub.get(LAB)).status == 404
    else:
        await events(hub)
        assert (await (await hub.get(LAB)).json())["phase"] == "running"


async def test_a_failed_lab_says_why_in_plain_words(hub):
    await put(hub, options={"image": "none"})
    reported = await events(hub)
    lab = await (await hub.get(LAB)).json()
    assert lab["phase"] == "failed"
    assert lab["reason"]["code"] == "image_unavailable"
    assert "not found: the embedded cluster has no command for the image no/such" in lab["reason"]["message"]
    assert lab["reason"]["advice"].startswith("Choose another image")
    assert (reported[0].get("severity"), reported[-1]["severity"]) == (None, "warning")


async def test_events_have_ids_and_end_when_the_lab_runs(hub):
    await put(hub)
    found = await events(hub)
    assert [event["sse"] for event in found] == [(event["id"], event["type"]) for event in found]
    assert found[-1]["phase"] == "running"
    progress = [event["progress"] for event in found]
    assert (progress[0], progress[-1], progress) == (5, 100, sorted(progress))


async def test_events_go_on_after_the_last_one_seen(hub):
    await put(hub)
    found = await events(hub)
    for rest in (
        await events(hub, **{"Last-Event-ID": found[2]["id"]}),
        await events(hub, f"{LAB}/events?last_event_id={found[2]['id']}"),
    ):
        assert rest == found[3:]


async def test_events_that_are_all_seen_tell_a_browser_to_stop(hub):
    await put(hub)
    last = (await events(hub))[-1]["id"]
    assert (await hub.get(f"{LAB}/events", headers={"Last-Event-ID": last})).status == 204


async def test_events_are_not_kept_by_anything_between(hub):
    await put(hub)
    response = await hub.get(f"{LAB}/events")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    await response.text()


async def test_a_users_labs_are_listed_by_name(hub):
    for name in ("b", "a"):
        await hub.put(f"/v1/users/ada/labs/{name}", json={"start": "s", "options": {"image": "none"}})
    labs = (await (await hub.get("/v1/users/ada/labs")).json())["labs"]
    assert [lab["lab"] for lab in labs] == ["a", "b"]
    assert await (await hub.get("/v1/users/eve/labs")).json() == {"labs": []}


async def test_all_labs_are_listed_page_by_page(hub):
    for user in ("ada", "bob", "eve"):
        await hub.put(f"/v1/users/{user}/labs/x", json={"start": "s", "options": {"image": "none"}})
    page = await (await hub.get("/v1/labs?limit=2")).json()
    assert [lab["user"] for lab in page["labs"]] == ["ada", "bob"]
    rest = await (await hub.get("/v1/labs", params={"limit": 2, "after": page["next"]})).json()
    assert [lab["user"] for lab in rest["labs"]] == ["eve"]
    assert rest["next"] is None


async def test_a_username_may_hold_what_a_path_has_to_escape(hub):
    path = "/v1/users/Ada%20%40%7Bx%7D%25FF/labs/%C3%BC%3F%23"
    assert (await hub.put(path, json={"start": "s"})).status == 202
    lab = await (await hub.get(path)).json()
    assert (lab["user"], lab["lab"]) == ("Ada @{x}%FF", "ü?#")
