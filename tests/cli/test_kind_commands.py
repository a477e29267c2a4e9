"""The command line for a kind that only the service knows, as a process that talks to a real service."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass

import pytest

from spawnpenny.testing.web_server import serve_site, token_settings
from tests.kit.farm import FarmPlugin

TOKENS = {"ada": (["spawn:self"], "ada"), "hub": (["read:any", "spawn:any", "delete:any"], None)}


@pytest.fixture
async def url(embedded_site):
    embedded_site.plugins = {"farm": FarmPlugin}
    embedded_site.data["plugins"] |= {"farm": {}, "quota": {"cpu": 4}}
    embedded_site.data["tokens"] = token_settings(TOKENS)
    async with serve_site(embedded_site) as server:
        yield server.url


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def command(request):
    """Run the command to its end, by default against the service and as ada."""

    async def run(*arguments, url=None, token="ada-token"):
        env = {**os.environ, "SPAWNPENNY_TOKEN": token, "COLUMNS": "400", **({"SPAWNPENNY_URL": url} if url else {})}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spawnpenny", *arguments),
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())

    return run


async def test_a_farm_is_started_shown_scaled_listed_and_stopped(command, url):
    started = await command("farm", "start", "f1", "--option", "engine=fast", "--workers", "1", url=url)
    assert (started.code, started.out[:7], started.out.count("\n")) == (0, "http://", 1), started.err
    assert re.search(r"^ +\d+\.\d\d s  farm\.master: done in", started.err, re.MULTILINE)
    shown = (await command("farm", "status", "f1", url=url)).out
    assert re.search(r"^workers +[01] of 1$", shown, re.MULTILINE)
    assert re.search(r"^options +engine=fast$", shown, re.MULTILINE)
    assert re.search(r"^note +ada renders with \d pods$", shown, re.MULTILINE)
    assert re.search(r"^farm\.master +done +\d", shown, re.MULTILINE)
    scaled = await command("farm", "scale", "f1", "2", url=url)
    assert (scaled.code, scaled.out) == (0, "ada's render farm f1 scales to 2 workers.\n"), scaled.err
    cut = await command("farm", "scale", "f1", "9", url=url)
    assert (cut.code, cut.out) == (1, "")
    assert "It scales to 3 instead." in cut.err
    for arguments in ((), ("ada",), ("--user", "ada"), ("--status", "running")):
        listed = await command("farm", "list", *arguments, url=url)
        assert re.search(r"^ada +f1 +running +\d of 3 +\d+s +http://", listed.out, re.MULTILINE), listed
    everybody = json.loads((await command("farm", "list", "--output", "json", url=url, token="hub-token")).out)
    assert [(farm["user"], farm["name"], farm["scale"]["count"]) for farm in everybody["spawns"]] == [("ada", "f1", 3)]
    events = (await command("farm", "events", "f1", "--output", "json", url=url)).out.splitlines()
    assert "running" in [json.loads(line).get("phase") for line in events]
    stopped = await command("farm", "stop", "f1", url=url)
    assert (stopped.code, stopped.out) == (0, "ada's render farm f1 is gone.\n")
    gone = await command("farm", "status", "f1", url=url)
    assert (gone.code, gone.out) == (3, "")
    assert gone.err.startswith("ada has no render farm 'f1'.")
    assert (await command("farm", "list", url=url)).out == "There is no render farm.\n"


async def test_a_farm_that_fails_says_why_and_is_listed_with_the_reason(command, url):
    failed = await command("farm", "start", "f1", "--option", "engine=broken", url=url)
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.endswith("ada's render farm f1 has failed. The engine has no licence. Choose the other engine.\n")
    assert "    The engine has no licence. (" in (await command("farm", "list", url=url)).out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("farm", "start", "f1", "--option", "engine=steam"), 3, "There is no engine 'steam'; there are fast, broken."),
        (("farm", "start", "f1", "--json", "engine=fast"), 2, "--json engine: 'fast' is not JSON."),
        (("farm", "start", "f1", "--workers", "9"), 3, "quota"),
        (("farm", "scale", "f1", "2"), 3, "ada has no render farm 'f1'."),
        (("farm", "dashboard", "f1"), 2, "A render farm has no dashboard with such links."),
        (("farm", "start", "form"), 3, "The name may not be 'form'."),
        (("ray", "list"), 2, "There is no subcommand 'ray', and the service has no such kind: lab, farm."),
    ],
)
async def test_a_refusal_is_one_message(command, url, arguments, code, message):
    refused = await command(*arguments, url=url)
    assert (refused.code, refused.out) == (code, "")
    assert message in refused.err


async def test_the_kinds_of_the_service_are_listed(command, url):
    kinds = await command("kinds", url=url)
    assert re.findall(r"^(\w+) .*?$", kinds.out, re.MULTILINE) == ["kind", "lab", "farm"]
    assert re.search(r"^farm +render farm +yes$", kinds.out, re.MULTILINE)
    assert [
        kind["name"] for kind in json.loads((await command("kinds", "--output", "json", url=url)).out)["kinds"]
    ] == [
        "lab",
        "farm",
    ]


async def test_a_token_without_a_user_has_to_name_one(command, url):
    refused = await command("farm", "status", "f1", url=url, token="hub-token")
    assert (refused.code, refused.err) == (2, "This token belongs to no user. Name the user with --user.\n")


@pytest.mark.parametrize("arguments", [("pipelin",), ("farm",), ("farm", "dance"), ("Farm", "list")])
async def test_what_no_kind_can_be_is_no_subcommand(command, arguments):
    unknown = await command(*arguments)
    assert (unknown.code, unknown.out) == (2, "")
    assert f"No such command '{arguments[0]}'" in unknown.err


async def test_help_needs_no_service(command):
    helped = await command("farm", "--help")
    verbs = ["dashboard", "events", "list", "scale", "start", "status", "stop"]
    assert re.findall(r"^  (\w+) ", helped.out, re.MULTILINE) == verbs
    assert "--workers COUNT" in (await command("farm", "start", "--help")).out
