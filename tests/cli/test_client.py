"""The command line's client half, as a process that talks to a real service."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pty
import re
import signal
import sys
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.clients.http import Client
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.settings.sections import EmbeddedSettings
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import serve_site, token_settings

SCOPES = ["read:any", "spawn:any", "delete:any", "commission"]
SLOW_LAB = ("{python}", "-c", "import signal; signal.pause()")
SECRET = "s3cret-value"
SLOW_TO_END = ("sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.05; done")
IMAGES = {
    "spawnpenny/lab": SMALL_LAB,
    "slow": SLOW_LAB,
    "slow-to-end": SLOW_TO_END,
    "jupyter": EmbeddedSettings().images["spawnpenny/lab"],
}


@pytest.fixture
async def site(tmp_path):
    async with EmbeddedCluster(tmp_path / "cluster", IMAGES) as cluster:
        site = await make_site(cluster)
        images = {"default": "spawnpenny/lab", "slow": "slow", "none": "no/such", "jupyter": "jupyter"}
        site.data["plugins"]["lab"] = {"images": images, "grace": 1}
        site.data["plugins"]["quota"] = {"labs": 2}
        site.data["tokens"] = token_settings(dict.fromkeys(("hub", "other"), (SCOPES, None)))
        yield site


@pytest.fixture
async def url(site):
    async with serve_site(site) as server:
        yield server.url


@pytest.fixture
async def hub(url):
    async with Client(url, "hub-token") as client:
        yield client


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
async def begin():
    """Start the command; it is killed at the end of the test if it is still there."""
    started = []

    async def begin(*arguments, url=None, token="hub-token", stderr=asyncio.subprocess.PIPE, **environ):
        more = {"SPAWNPENNY_URL": url, "SPAWNPENNY_TOKEN": token, "COLUMNS": "400", "TERM": "xterm"} | environ
        env = {key: value for key, value in (os.environ | more).items() if value is not None}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spawnpenny", *arguments), env=env, stdout=asyncio.subprocess.PIPE, stderr=stderr
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def command(begin, url):
    """Run the command to its end, against the service."""

    async def run(*arguments, **more):
        process = await begin(*arguments, **{"url": url} | more)
        out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())

    return run


async def test_a_lab_is_started_followed_and_stopped(command, hub):
    started = await command("lab", "start", "ada")
    lab = await hub.lab("ada")
    assert (started.code, started.out.startswith(lab.url), started.out.count("\n")) == (0, True, 1), started.err
    assert re.search(r"^ +\d+\.\d\d s  lab\.pod: done in", started.err, re.MULTILINE)
    shown = await command("lab", "status", "ada")
    assert f"url     {lab.url}" in shown.out
    assert re.search(r"quota +done +\d", shown.out)
    stopped = await command("lab", "stop", "ada")
    assert (stopped.code, stopped.out) == (0, "ada's lab ~default is gone.\n")
    gone = await command("lab", "status", "ada")
    assert (gone.code, gone.out) == (3, "")
    assert gone.err.startswith("ada has no lab '~default'. Start it, or list your labs")


async def test_what_the_lab_is_to_be_and_its_environment_are_sent(command, site, tmp_path):
    file = tmp_path / "env"
    file.write_text(f"# of the lab\n\nFROM_FILE={SECRET}=x\nGREETING=file\n")
    chosen = ("--size", "small", "--option", "image=default", "--env", "GREETING", "--env-file", str(file))
    token = {"JUPYTER_TOKEN": f"{SECRET}-token", "GREETING": "Grüße"}
    started = await command("lab", "start", "ada", "mine", *chosen, "--env", "JUPYTER_TOKEN", **token)
    assert (started.code, "token=" in started.out) == (0, False), started.err
    assert SECRET not in started.out + started.err
    kept = (await site.read("Secret", "lab-mine"))["data"]
    assert kept.pop("SPAWNPENNY_TOKEN")
    assert {key: base64.b64decode(value).decode() for key, value in kept.items()} == {
        "FROM_FILE": f"{SECRET}=x",
        "GREETING": "Grüße",
        "JUPYTER_TOKEN": f"{SECRET}-token",
    }


async def test_without_a_token_the_command_makes_one_and_its_url_opens(command, hub):
    started = await command("lab", "start", "ada", "--image", "jupyter")
    assert started.code == 0, started.err
    async with aiohttp.ClientSession() as stranger, aiohttp.ClientSession() as browser:
        async with stranger.get(f"{(await hub.lab('ada')).url}lab", allow_redirects=False) as answer:
            assert answer.status == 302  # to the login
        async with browser.get(started.out.strip()) as answer:
            assert (answer.status, "jupyter-config-data" in await answer.text()) == (200, True)
    assert started.out.partition("token=")[2].strip() not in started.err


async def test_a_token_that_the_command_made_is_not_lost_without_waiting(command, site):
    texts = await command("lab", "start", "ada", "a", "--no-wait")
    data = await command("lab", "start", "ada", "b", "--no-wait", "--output", "json")
    for name, token in (("a", texts.err.partition("token=")[2].strip()), ("b", data.json["token"])):
        await command("lab", "events", "ada", name)
        kept = (await site.read("Secret", f"lab-{name}"))["data"]["JUPYTER_TOKEN"]
        assert base64.b64decode(kept).decode() == token


async def test_a_lab_that_fails_says_why_and_exits_1(command):
    failed = await command("lab", "start", "ada", "--image", "none")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.splitlines()[-1].startswith("The lab did not start. ")
    assert failed.err.count("no command for the image no/such") == 1
    events = await command("lab", "events", "ada")
    assert events.out.count("no command for the image no/such") == 1


async def test_programs_get_json(command):
    started = await command("lab", "start", "ada", "--output", "json")
    lab = started.json
    assert (lab["phase"], len(lab.pop("token"))) == ("running", 43)
    assert (await command("lab", "status", "ada", "--output", "json")).json == lab
    shown = await command("lab", "events", "ada", "--output", "json")
    events = [json.loads(line) for line in shown.out.splitlines()]
    assert events[-1]["phase"] == "running"
    rest = await command("lab", "events", "ada", "--output", "json", "--after", events[-2]["id"])
    assert rest.json == events[-1]
    assert (await command("lab", "list", "--output", "json")).json == {"labs": [lab], "unknown": []}


async def test_all_labs_are_listed_or_one_users_or_some(command, hub):
    for user in ("ada", "bob"):
        await hub.start_lab(user, start="s", options={"image": "none"})
        async for _ in hub.lab_events(user):
            pass
    for arguments, users in (((), ["ada", "bob"]), (("bob",), ["bob"]), (("--limit", "1"), ["ada"])):
        listed = await command("lab", "list", *arguments)
        assert [line.split()[:3] for line in listed.out.splitlines()[1:]] == [
            [user, "~default", "failed"] for user in users
        ]
    assert (await command("lab", "list", "eve")).out == "There are no labs.\n"


async def test_a_start_that_is_not_waited_for_returns_at_once_and_may_be_replaced(command, hub):
    first = await command("lab", "start", "ada", "--image", "slow", "--no-wait")
    assert (first.code, first.out) == (0, "ada's lab ~default is starting.\n")
    refused = await command("lab", "start", "ada")
    assert refused.code == 3
    assert re.fullmatch(
        r"ada's lab ~default is already (requested|pending). Use --replace to start it anew, or stop it: "
        r"`spawnpenny lab stop ada`.\n",
        refused.err,
    )
    replaced = await command("lab", "start", "ada", "--replace")
    assert replaced.code == 0, replaced.err
    assert (await command("lab", "stop", "ada", "--no-wait")).out == "ada's lab ~default is being stopped.\n"


async def test_a_second_start_says_where_the_first_one_answers(command, hub):
    await command("lab", "start", "ada", "mine")
    refused = await command("lab", "start", "ada", "mine")
    url = (await hub.lab("ada", "mine")).url
    assert (refused.code, refused.out) == (3, "")
    assert f"is already running at {url}. Use --replace to start it anew" in refused.err
    assert "`spawnpenny lab stop ada mine`" in refused.err


async def test_a_stop_waits_for_the_grace_period(begin, site):
    site.data["plugins"]["lab"] |= {"grace": 60, "extra_containers": [{"name": "beside", "image": "slow-to-end"}]}
    async with serve_site(site) as server:
        url = server.url
        started = await begin("lab", "start", "ada", url=url)
        _ = await started.communicate()
        assert started.returncode == 0
        stopped = await begin("lab", "stop", "ada", "--timeout", "0.5", url=url)
        out, _ = await stopped.communicate()
    assert (stopped.returncode, out.decode()) == (0, "ada's lab ~default is gone.\n")


async def test_a_lab_of_another_caller_is_taken_over_by_stopping_it_first(command, site, hub):
    await hub.start_lab("ada", start="s", program="JupyterHub http://hub/")
    refused = await command("lab", "start", "ada", "--replace", token="other-token")
    assert refused.code == 3
    assert "token:hub (JupyterHub http://hub/) started it" in refused.err
    assert "stop it first: `spawnpenny lab stop ada`." in refused.err
    assert (await command("lab", "stop", "ada", token="other-token")).code == 0
    assert (await command("lab", "start", "ada", token="other-token")).code == 0


async def test_a_start_that_another_one_replaces_says_so(begin, url, hub):
    process = await begin("lab", "start", "ada", "--image", "slow", url=url)
    await process.stderr.readline()
    await hub.start_lab("ada", start="other", replace=True)
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().splitlines()[-1] == "Another start has replaced this one."


async def test_what_does_not_fit_is_refused_with_the_numbers(command):
    for name in ("a", "b"):
        await command("lab", "start", "ada", name, "--image", "slow", "--no-wait")
    refused = await command("lab", "start", "ada", "c")
    assert (refused.code, refused.out) == (3, "")
    assert refused.err.startswith("Not enough labs left in the quota: asked 1, in use 2, limit 2.")


async def test_ctrl_c_leaves_the_lab_starting_and_says_so(begin, url, hub):
    process = await begin("lab", "start", "ada", "--image", "slow", url=url)
    await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().splitlines()[-1].startswith("The lab keeps starting. ")
    assert (await hub.lab("ada")).phase == "pending"


async def test_a_terminal_shows_the_steps_and_what_is_waited_for(begin, url):
    ours, theirs = pty.openpty()
    process = await begin("lab", "start", "ada", url=url, stderr=theirs)
    os.close(theirs)
    shown = bytearray()

    def read():
        try:
            while data := os.read(ours, 4096):
                shown.extend(data)
        except OSError:  # how a terminal ends
            os.close(ours)

    reading = asyncio.create_task(asyncio.to_thread(read))
    out, _ = await process.communicate()
    await reading
    assert process.returncode == 0
    assert out.startswith(b"http://127.")
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(shown)).decode()
    assert "Waiting for the lab to answer." in text
    assert re.search(r"lab\.pod +done +\d+\.\d s", text)
    assert "ada's lab ~default: running" in text


async def test_a_user_is_commissioned_and_shown(command):
    made = await command("user", "commission", "ada", "--uid", "1234", "--gid", "1235", "--group", "staff=1500")
    assert made.code == 0, made.err
    shown = await command("user", "show", "ada")
    assert shown.out.splitlines() == [
        *("user    ada", "status  active", "uid     1234", "gid     1235", "groups  staff (1500)"),
    ]
    assert "active" in (await command("user", "events", "ada")).out
    assert (await command("user", "show", "ada", "--output", "json")).json["groups"] == [{"name": "staff", "id": 1500}]
    assert (await command("user", "show", "bob")).code == 3


async def test_a_user_is_retired(command):
    await command("user", "commission", "ada", "--uid", "1234")
    await command("lab", "start", "ada")
    refused = await command("user", "retire", "ada")
    assert (refused.code, "stop them before" in refused.err) == (3, True)
    await command("lab", "stop", "ada")
    assert (await command("user", "retire", "ada", "--purge")).code == 3
    retired = await command("user", "retire", "ada")
    assert (retired.code, retired.out) == (0, "ada is retired.\n")
    assert (await command("user", "show", "ada")).code == 3


@pytest.fixture
def purging(site):
    """Have labs with storage, and a token that may delete it."""
    site.data["plugins"]["storage"] = {"retain": False}
    site.data["tokens"]["purger"] = {"sha256": hash_token("purger-token"), "scopes": [*SCOPES, "purge"]}


async def test_storage_is_deleted_with_a_lab_where_the_token_allows_it(purging, site, command):
    await command("lab", "start", "ada")
    refused = await command("lab", "stop", "ada", "--purge")
    assert (refused.code, "needs the scope purge" in refused.err) == (3, True)
    gone = await command("lab", "stop", "ada", "--purge", token="purger-token")
    assert (gone.code, gone.out) == (0, "ada's lab ~default is gone, and so is its storage.\n")
    assert await site.objects("Pod", "PersistentVolumeClaim") == {}


async def test_a_token_that_is_not_known_is_refused(command, tmp_path):
    file = tmp_path / "token"
    file.write_text("hub-token\n")
    assert (await command("lab", "list", "--token-file", str(file), token=None)).code == 0
    refused = await command("lab", "list", token="unknown")
    assert (refused.code, refused.err) == (
        3,
        ("The token is not valid. Log in again, or use another token; if that does not help, tell an administrator.\n"),
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (("list",), {"token": None}, "The token is missing. Set $SPAWNPENNY_TOKEN"),
        (("list",), {"token": "two words"}, "not allowed in a token"),
        (("list", "--token-file", "/nowhere"), {}, "The token file /nowhere cannot be read"),
        (("list",), {"url": None}, "The URL of the service is missing"),
        (("list", "--url", "localhost:8080"), {}, "is not the URL of a service"),
        (("start", "ada", "--env", f"A={SECRET}"), {}, "--env takes only a name"),
        (("start", "ada", "--env", "NOT_THERE"), {}, "no such variable"),
        (("start", "ada", "--env-file", "/nowhere"), {}, "/nowhere cannot be read"),
        (("start", "ada", "--option", "size"), {}, "KEY=VALUE"),
        (("start", "ada", "--option", "a=1", "--option", "b=2", "--option", "a=1"), {}, "--option a is given twice"),
        (("start", "ada", "--size", "small", "--option", "size=large"), {}, "--size and --option size are the same"),
        (("start", "ada", "--image", "a", "--option", "image=a"), {}, "--image and --option image are the same"),
    ],
)
async def test_wrong_usage_is_one_sentence_and_exits_2(command, arguments, environ, message):
    wrong = await command("lab", *arguments, **environ)
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (2, "", 1)
    assert message in wrong.err
    assert SECRET not in wrong.err


async def test_a_service_that_is_not_ready_is_waited_for(begin, aiohttp_server):
    paths = []

    async def answer(request):
        paths.append(request.path)
        if len(paths) == 1:
            body = {"code": "not_ready", "detail": "Not yet."}
            return web.json_response(
                body, status=503, content_type="application/problem+json", headers={"Retry-After": "0"}
            )
        return web.json_response({"labs": []})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = await aiohttp_server(app)
    process = await begin("lab", "list", "ada", url=str(server.make_url("")))
    out, _ = await process.communicate()
    assert (process.returncode, out.decode(), len(paths)) == (0, "There are no labs.\n", 2)


async def test_a_service_that_cannot_serve_is_reported_with_the_requests_id_and_exits_1(begin, aiohttp_server):
    async def answer(request):
        body = {"code": "internal_error", "detail": "Something went wrong.", "request_id": "r-1"}
        return web.json_response(body, status=500, content_type="application/problem+json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = await aiohttp_server(app)
    process = await begin("lab", "list", url=str(server.make_url("")))
    _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (1, "Something went wrong. (request r-1)\n")


async def test_a_service_that_restarts_in_the_middle_is_followed_on(begin, site):
    async with serve_site(site) as server:
        process = await begin("lab", "start", "ada", "--image", "slow", url=server.url)
        await process.stderr.readline()
    async with serve_site(site, port=server.port), Client(server.url, "hub-token") as hub:
        await hub.stop_lab("ada", wait=120)
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().splitlines()[-1] == "The lab was stopped while it was starting."
