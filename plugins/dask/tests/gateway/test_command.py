"""``spawnpenny dask`` as a process that talks to a real service, for operators and for a user's own token."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass

import pytest

CLUSTERS = "/gateway/api/v1/clusters/"


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def rows(self):
        """The rows of a table: without what stands beneath them, and the sum."""
        table = self.out.partition("\n\n")[0]
        return [line.split() for line in table.splitlines()[1:] if not line.startswith(" ")]


@pytest.fixture
def begin(server):
    """Start the command in a terminal of 80 columns, with the token of that name."""

    async def begin(*arguments, token="hub", port=None):
        env = os.environ | {
            "SPAWNPENNY_URL": f"http://127.0.0.1:{port or server.port}",
            "SPAWNPENNY_TOKEN": f"{token}-token",
            "COLUMNS": "80",
        }
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "spawnpenny", "dask", *arguments), env=env, stdout=pipe, stderr=pipe
        )

    return begin


@pytest.fixture
def command(begin):
    """Run the command to its end."""

    async def run(*arguments, **more):
        process = await begin(*arguments, **more)
        out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())

    return run


@pytest.fixture
def start(caller):
    """Start a cluster of a user, and return its name once it runs or has failed."""

    async def start(user, **options):
        client = await caller(user)
        name = (await (await client.post(CLUSTERS, json={"cluster_options": options})).json())["name"]
        await (await client.get(f"/v1/users/{user}/dask/{name}/events")).read()
        return name

    return start


async def test_an_operator_lists_all_and_looks_at_one_by_its_name(command, start):
    runs, failed = await start("ada"), await start("bob", image="none")
    listed = await command("list")
    assert [row[:3] for row in listed.rows] == [["ada", runs, "running"], ["bob", failed, "failed"]]
    assert re.search(r"^ +The image none cannot be pulled: .*\(image_unavailable\)$", listed.out, re.MULTILINE)
    assert [row[0] for row in (await command("list", "bob")).rows] == ["bob"]
    assert [row[0] for row in (await command("list", "--user", "ada")).rows] == ["ada"]
    assert [row[1] for row in (await command("list", "--status", "Failed")).rows] == [failed]
    assert len((await command("list", "--limit", "1")).rows) == 1
    shown = await command("status", failed)
    assert re.search(r"^user +bob$", shown.out, re.MULTILINE)
    assert "(image_unavailable)" in shown.out
    assert re.search(r"^dask +reverted", shown.out, re.MULTILINE)
    shown = await command("events", failed)
    assert (shown.code, "image none cannot be pulled" in shown.out) == (0, True)


async def test_workers_are_listed_with_what_they_wait_for(command, start, caller):
    name = await start("ada", queue="none")
    assert (await command("workers", name)).out == "There are no workers.\n"
    await (await caller("ada")).post(f"{CLUSTERS}{name}/scale", json={"count": 2})
    listed = await command("workers", name, token="ada")
    assert [row[1:3] for row in listed.rows] == [["default", "pending"]] * 2
    waits = re.compile(r"^ +The image none cannot be pulled: .*\(image_unavailable\)$", re.MULTILINE)
    assert len(waits.findall(listed.out)) == 2
    assert len(waits.findall((await command("list")).out)) == 1
    found = json.loads((await command("workers", name, "--output", "json")).out)
    assert {worker["waiting_for"]["code"] for worker in found["workers"]} == {"image_unavailable"}


async def test_the_largest_come_first_and_all_are_summed_up(command, start, caller):
    small, large, failed = await start("ada"), await start("bob"), await start("ada", image="none")
    await (await caller("bob")).post(f"{CLUSTERS}{large}/scale", json={"count": 3})
    by = {
        order: [row[1] for row in (await command("list", "--sort", order)).rows] for order in ("cpu", "workers", "age")
    }
    assert by["cpu"][:3] == by["workers"][:3] == [large, small, failed]
    assert by["age"][:3] == [small, large, failed]
    summed = (await command("list", "--status", "running,failed")).out.splitlines()[-1]
    assert re.fullmatch(r"3 clusters of 2 users: \d of 3 workers run. They use 5 CPU and 0 memory.", summed)
    first = await command("list", "--sort", "workers", "--limit", "1")
    assert [row[1] for row in first.rows] == [large]


async def test_a_cluster_is_scaled_by_an_operator_and_by_its_owner(command, start):
    name = await start("ada")
    for token, count in (("hub", 2), ("ada", 1)):
        scaled = await command("scale", name, str(count), token=token)
        workers = "1 worker" if count == 1 else f"{count} workers"
        assert (scaled.code, scaled.out) == (0, f"ada's Dask cluster {name} scales to {workers}.\n")
    cut = await command("scale", name, "99")
    assert (cut.code, cut.out, "Not enough cpu left in the quota: asked 100" in cut.err) == (1, "", True)
    listed = json.loads((await command("status", name, "--output", "json")).out)
    assert listed["scale"]["count"] == 5
    for arguments, code in ((("none", "1"), 3), ((name, "-1"), 2), ((name, "many"), 2)):
        assert (await command("scale", *arguments, token="hub" if code == 3 else "ada")).code == code
    assert (await command("scale", name, "1", token="ada-reader")).code == 3


async def test_events_are_followed_to_the_end_of_a_cluster_that_runs(begin, start, caller):
    name = await start("ada")
    following = await begin("events", name, "--follow", "--output", "json")
    while json.loads(await following.stdout.readline()).get("phase") != "running":
        pass
    await (await caller("ada")).delete(f"{CLUSTERS}{name}")
    later = [json.loads(line).get("phase") for line in (await following.communicate())[0].splitlines()]
    assert (following.returncode, later[0]) == (0, "stopping")


async def test_programs_read_json(command, start):
    name = await start("ada")
    listed = json.loads((await command("list", "--output", "json")).out)
    assert ([cluster["cluster"] for cluster in listed["clusters"]], listed["unknown"]) == ([name], [])
    shown = json.loads((await command("status", name, "--output", "json")).out)
    assert (shown["user"], shown["workers"], shown["resources"]["cpu"]) == ("ada", {"running": 0, "pending": 0}, "1")
    events = [json.loads(line) for line in (await command("events", name, "--output", "json")).out.splitlines()]
    assert events[-1]["phase"] == "running"
    later = await command("events", name, "--output", "json", "--after", events[-2]["id"])
    assert [json.loads(line)["id"] for line in later.out.splitlines()] == [events[-1]["id"]]


async def test_a_users_own_token_is_for_that_users_clusters(command, start):
    mine, others = await start("ada"), await start("bob")
    assert [row[1] for row in (await command("list", token="ada-reader")).rows] == [mine]
    refused = await command("list", "bob", token="ada")
    assert (refused.code, refused.out) == (3, "")
    assert "This needs one of the scopes read:any" in refused.err
    unknown = await command("status", others, token="ada")
    assert (unknown.code, "ada has no Dask cluster of that name" in unknown.err) == (3, True)
    stopped = await command("stop", mine, token="ada-lab")
    assert (stopped.code, stopped.out) == (0, f"ada's Dask cluster {mine} is gone.\n")
    assert (await command("list", token="ada")).out == "There are no Dask clusters.\n"


async def test_an_operator_stops_anybodys_and_what_is_gone_is_no_error(command, start):
    name = await start("ada")
    started = await command("stop", name, "--no-wait")
    assert (started.code, started.out) == (0, f"ada's Dask cluster {name} is being stopped.\n")
    again = await command("stop", name, "--user", "ada")
    assert (again.code, again.out) == (0, f"ada's Dask cluster {name} is gone.\n")
    none = await command("stop", name)
    assert (none.code, none.out) == (0, f"There is no Dask cluster {name}, so there is nothing to stop.\n")


@pytest.mark.parametrize(
    ("arguments", "token", "code", "sentence"),
    [
        (("status", "none"), "hub", 3, "There is no Dask cluster 'none'."),
        (("events", "none", "--user", "ada"), "hub", 3, "Cluster none not found: ada has no Dask cluster"),
        (("list",), "proxy", 2, "This token belongs to no user"),
        (("list",), "wrong", 3, "The token is not valid."),
        (("list", "ada", "--user", "bob"), "hub", 2, "USER and --user name different users"),
        (("list", "--status", "done"), "hub", 2, "--status: 'done' is not a phase. The phases are: requested,"),
        (("stop",), "hub", 2, "Missing argument 'CLUSTER'"),
    ],
)
async def test_what_goes_wrong_is_one_sentence_and_an_exit_code(command, arguments, token, code, sentence):
    ended = await command(*arguments, token=token)
    assert (ended.code, ended.out) == (code, "")
    assert sentence in ended.err


async def test_a_service_that_is_not_there_is_a_failure(command):
    ended = await command("list", port=9)
    assert (ended.code, "cannot be reached" in ended.err) == (1, True)
