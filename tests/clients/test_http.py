"""The client of the HTTP API, against a real service; what no service does on request is played by a small server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from aiohttp import web

import spawnpenny
from spawnpenny.clients.http import (
    Client,
    Group,
    Patience,
    ProblemError,
    UnexpectedAnswerError,
    UnreachableError,
    new_start,
)

SLOW, NONE = {"image": "slow"}, {"image": "none"}
OF_AIOHTTP = (
    *("aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "attrs", "frozenlist", "idna", "multidict", "propcache"),
    *("typing_extensions", "yarl"),
)
LAB = {
    "user": "ada",
    "lab": "~default",
    "start": "s",
    "spawn": "x",
    "phase": "stopping",
    "url": None,
    "reason": None,
    "steps": [],
    "requested_at": 1.0,
    "deadline": 2.0,
    "ended_at": None,
    "member_of_a_newer_service": 1,
}


def problem(status, code="x", **headers):
    async def answer(request):
        body = {"code": code, "detail": f"It is {code}.", "request_id": "r1", "status": status}
        return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)

    return answer


def plain(status, text="", **headers):
    async def answer(request):
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def hang_up(request):
    request.transport.abort()
    return web.Response()


async def lab(request):
    return web.json_response(LAB)


async def all_of(events):
    return [event async for event in events]


def test_it_is_imported_with_nothing_but_aiohttp(tmp_path):
    for name in OF_AIOHTTP:
        origin = Path(find_spec(name).origin)
        found = origin.parent if origin.name == "__init__.py" else origin
        (tmp_path / found.name).symlink_to(found)
    package = Path(spawnpenny.__file__).parent
    (tmp_path / "spawnpenny").mkdir()
    for name in ("__init__.py", "clients"):
        (tmp_path / "spawnpenny" / name).symlink_to(package / name)
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import spawnpenny.clients.http"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_lab_from_its_start_to_its_end(hub):
    started = await hub.start_lab("ada", start="s1", env={"JUPYTER_TOKEN": "t"}, patience=60)
    assert (started.user, started.lab, started.start, started.running) == ("ada", "~default", "s1", False)
    events = await all_of(hub.lab_events("ada"))
    assert [event.position for event in events] == sorted({event.position for event in events})
    lab = await hub.lab("ada")
    assert lab.running
    assert lab.url.startswith("http://127.")
    assert {step.state for step in lab.steps} == {"done"}
    assert await hub.labs_of("ada") == (lab,)
    assert await hub.stop_lab("ada", wait=120) is None
    with pytest.raises(ProblemError) as gone:
        await hub.lab("ada")
    assert (gone.value.code, gone.value.status) == ("lab_not_found", 404)


async def test_the_example_in_the_docs_prints_where_the_lab_is(hub, capsys):
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    example = {}
    exec(source, example)
    await example["main"](hub.url, "hub-token")
    assert capsys.readouterr().out.splitlines()[-1] == (await hub.lab("ada")).url


async def test_a_form_begins_with_the_given_options_as_far_as_a_url_has_room(hub):
    assert await hub.form("ada", "a b?&") == await hub.form("ada", options={"image": "gone", "files": [b"x"]})
    assert 'value="slow" selected' in await hub.form("ada", options={"image": "slow", "notes": "ß" * 10_000})
    assert 'value="slow" selected' not in await hub.form("ada", options={"notes": "x" * 10_000, "image": "slow"})


async def test_a_form_is_html_or_a_refusal(script, client_of):
    client = await client_of(script.port)
    script.answers = [problem(503, "not_ready", **{"Retry-After": "0"}), lab]
    with pytest.raises(UnexpectedAnswerError, match="not HTML"):
        await client.form("ada")
    script.answers = [problem(409, "user_conflict")]
    with pytest.raises(ProblemError) as refused:
        await client.form("ada")
    assert refused.value.code == "user_conflict"
    assert [request[2]["Accept"] for request in script.requests] == ["text/html"] * 3


async def test_a_stop_returns_the_lab_where_it_is_not_waited_for(hub):
    await hub.start_lab("ada", start="s1")
    await all_of(hub.lab_events("ada"))
    assert (await hub.stop_lab("ada")).phase == "stopping"
    assert await hub.stop_lab("ada", start="s1", wait=120) is None


async def test_a_stop_of_another_start_does_nothing(hub):
    await hub.start_lab("ada", start="s2", options=SLOW)
    assert await hub.stop_lab("ada", start="s1", wait=120) is None
    assert (await hub.lab("ada")).start == "s2"


@pytest.mark.parametrize("name", ["Ada @{x}%FF", "ü?#", "a+b&c"])
async def test_any_name_comes_to_the_service_as_it_is(hub, name):
    lab = await hub.start_lab(name, name, start="s", options=NONE)
    assert (lab.user, lab.lab) == (name, name)


@pytest.mark.parametrize("name", ["..", ".", "a/b", ""])
async def test_a_name_that_may_not_be_used_does_not_lead_elsewhere(hub, name):
    with pytest.raises(ProblemError) as refused:
        await hub.start_lab(name, name, start="s", options=NONE)
    assert refused.value.code == "name_invalid"


async def test_a_user_is_commissioned(hub):
    groups = (Group("staff", 1500),)
    assert (await hub.commission("ada", uid=1234, gid=1235, groups=groups)).status in {"commissioning", "active"}
    assert (await all_of(hub.user_events("ada")))[-1].phase == "active"
    user = await hub.user("ada")
    assert (user.status, user.uid, user.gid, user.groups) == ("active", 1234, 1235, groups)


async def test_all_labs_are_listed_however_many_pages_they_take(hub):
    for user in ("ada", "bob", "eve"):
        await hub.start_lab(user, start="s", options=NONE)
    assert [lab.user async for lab in hub.labs()] == ["ada", "bob", "eve"]
    pages = [page async for page in hub.pages(limit=2)]
    assert [[lab.user for lab in page.labs] for page in pages] == [["ada", "bob"], ["eve"]]
    (rest,) = [page async for page in hub.pages(after=pages[0].next)]
    assert [lab.user for lab in rest.labs] == ["eve"]


async def test_a_refusal_says_what_is_wrong_and_is_not_tried_again(hub):
    with pytest.raises(ProblemError, match=r"no_such_size|sizes|size") as refused:
        await hub.start_lab("ada", start="s", options={"size": "no_such_size"})
    assert (refused.value.status, refused.value.retry_after) == (422, None)
    assert refused.value.request_id
    with pytest.raises(ProblemError) as refused:
        await hub.start_lab("ada", start="not a start")
    assert refused.value.errors[0][0] == "start"


async def test_another_token_goes_over_the_same_connections(hub):
    ada = hub.with_token("ada-token")
    assert (await ada.start_lab("ada", start="s", options=NONE)).user == "ada"
    with pytest.raises(ProblemError, match="scope"):
        await ada.start_lab("bob", start="s")


@pytest.mark.parametrize("first", [problem(503, "not_ready", **{"Retry-After": "0"}), plain(502), plain(504), hang_up])
async def test_what_passes_is_tried_again(script, client_of, first):
    script.answers = [first, first, lab]
    client = await client_of(script.port)
    assert (await client.start_lab("ada", start="s")).start == "s"
    assert [request[:2] + request[3:] for request in script.requests] == [
        ("PUT", "/v1/users/ada/labs/~default", '{"start": "s", "options": {}, "env": {}}')
    ] * 3


async def test_too_many_requests_are_tried_again_when_the_service_says_so_and_only_then(script, client_of):
    client = await client_of(script.port)
    script.answers = [problem(429, **{"Retry-After": "0"}), lab]
    await client.lab("ada")
    script.answers = [problem(429), lab]
    with pytest.raises(ProblemError):
        await client.lab("ada")


async def test_patience_ends_before_a_wait_that_is_longer_than_it(script, client_of):
    script.answers = [problem(503, **{"Retry-After": "3600"})]
    with pytest.raises(ProblemError) as refused:
        await (await client_of(script.port)).lab("ada")
    assert refused.value.retry_after == 3600
    assert len(script.requests) == 1


async def test_a_stop_that_names_no_start_is_not_sent_twice(script, client_of):
    client = await client_of(script.port)
    script.answers = [plain(502)]
    with pytest.raises(UnreachableError):
        await client.stop_lab("ada")
    assert len(script.requests) == 1
    script.answers = [plain(502), plain(204)]
    assert await client.stop_lab("ada", start="s") is None


async def test_a_stop_that_is_waited_for_asks_again_for_the_start_that_it_stopped(script, client_of):
    script.answers = [lab, plain(204)]
    assert await (await client_of(script.port)).stop_lab("ada", wait=120) is None
    assert [request[1] for request in script.requests] == [
        "/v1/users/ada/labs/~default?wait=60.000",
        "/v1/users/ada/labs/~default?wait=60.000&start=s",
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [(plain(200, "hello"), "is this the URL"), (plain(200, "[]"), "is this the URL"), (plain(204), "204")],
)
async def test_another_service_is_not_taken_for_spawnpenny(script, client_of, answer, message):
    script.answers = [answer]
    with pytest.raises(UnexpectedAnswerError, match=message):
        await (await client_of(script.port)).lab("ada")


async def test_a_404_of_something_in_between_is_no_absent_lab(script, client_of):
    script.answers = [plain(404, "<html>")]
    with pytest.raises(ProblemError) as refused:
        await (await client_of(script.port)).lab("ada")
    assert (refused.value.code, str(refused.value)) == ("", "The answer is HTTP 404.")


async def test_a_redirect_is_not_followed_with_a_token(script, client_of):
    script.answers = [plain(302, Location="https://elsewhere.example/")]
    with pytest.raises(UnexpectedAnswerError, match="https://elsewhere"):
        await (await client_of(script.port)).lab("ada")
    assert len(script.requests) == 1


async def test_nobody_there_is_said_in_a_sentence(unused_tcp_port, client_of):
    client = await client_of(unused_tcp_port, total=0.0)
    with pytest.raises(UnreachableError, match=rf"127\.0\.0\.1:{unused_tcp_port} cannot be reached") as unreachable:
        await client.lab("ada")
    assert not unreachable.value.sent


async def test_a_service_that_comes_back_in_time_is_waited_for(site, serving, unused_tcp_port, client_of):
    client = await client_of(unused_tcp_port)
    waiting = asyncio.create_task(client.until_ready())
    async with serving(site, port=unused_tcp_port):
        await waiting


async def test_starts_are_distinguished():
    assert len({new_start() for _ in range(100)}) == 100


async def test_a_client_that_is_not_open_says_so():
    with pytest.raises(RuntimeError, match="async with"):
        await Client("http://127.0.0.1", patience=Patience(0)).lab("ada")
    with suppress(StopAsyncIteration), pytest.raises(RuntimeError, match="async with"):
        await anext(Client("http://127.0.0.1").lab_events("ada"))
