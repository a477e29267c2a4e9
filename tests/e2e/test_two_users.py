"""The service as a process, with two users' real JupyterLabs on one machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest
import yaml

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.cli.demo.kernel import run_cell
from spawnpenny.embedded.node.folder import Folder
from spawnpenny.embedded.node.orphans import NODE, end_orphans, find_processes
from spawnpenny.testing.ports import free_ports

HUB = {"Authorization": "Bearer hub-token"}
LAB = ["{python}", "-m", "jupyterlab", "--ip={pod_ip}", "--port=8888", "--no-browser", "--allow-root"]


@pytest.fixture
def settings(tmp_path):
    (port,) = free_ports(1)
    data = {
        "cluster": "embedded",
        "web": {"host": "127.0.0.1", "port": port},
        "embedded": {"folder": str(tmp_path / "cluster"), "images": {"spawnpenny/lab": LAB}},
        "tokens": {"hub": {"sha256": hash_token("hub-token"), "scopes": ["admin"]}},
        "plugins": {"namespace": {}, "quota": {}, "user": {}, "lab": {}},
    }
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(data))
    yield path, f"http://127.0.0.1:{port}"
    end_orphans(tmp_path / "cluster")  # also after a test that failed


@asynccontextmanager
async def serving(settings):
    """Run the service as a process that listens; ended by a kill where it has not ended by itself."""
    path, url = settings
    command = [sys.executable, "-m", "spawnpenny", "serve", "--settings", str(path)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    rows = []
    try:
        async for line in process.stderr:
            rows.append(json.loads(line))
            if rows[-1]["event"] == "listening":
                break
        else:
            pytest.fail(f"The service has not started: {rows[-3:]}")
        drain = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession(url, headers=HUB) as http:
            yield process, http
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await drain


async def spawn(http, user, token):
    body = {"start": "s1", "env": {"JUPYTER_TOKEN": token}}
    async with http.put(f"/v1/users/{user}/labs/~default", json=body) as answer:
        assert answer.status == 202, await answer.text()
    async with http.get(f"/v1/users/{user}/labs/~default/events") as events:
        await events.read()
    async with http.get(f"/v1/users/{user}/labs/~default") as answer:
        return await answer.json()


def pods_processes(settings):
    """Find what the pods of this cluster have left running."""
    return [process.pid for process in find_processes({NODE: Folder(settings[0].parent / "cluster").node_id})]


async def test_two_users_labs_run_code_at_once_on_one_port_number(settings):
    async with serving(settings) as (service, http):
        labs = await asyncio.gather(spawn(http, "ada", "token-a"), spawn(http, "Grace@navy.mil", "token-g"))
        assert [lab["phase"] for lab in labs] == ["running", "running"], labs
        hosts = {lab["url"].removeprefix("http://").partition(":")[0] for lab in labs}
        assert len(hosts) == 2
        assert all(lab["url"].endswith(":8888/") for lab in labs)
        code = "import os; (os.getpid(), os.environ['JUPYTER_TOKEN'])"
        answers = await asyncio.gather(
            run_cell(labs[0]["url"], "token-a", code), run_cell(labs[1]["url"], "token-g", code)
        )
        assert "token-a" in answers[0]
        assert "token-g" in answers[1]
        service.send_signal(signal.SIGTERM)
        assert await service.wait() == 0
    assert pods_processes(settings) == []


async def test_nothing_is_left_after_a_kill_and_a_new_start(settings):
    async with serving(settings) as (service, http):
        assert (await spawn(http, "ada", "t"))["phase"] == "running"
        os.kill(service.pid, signal.SIGKILL)
        await service.wait()
    assert pods_processes(settings) != []
    async with serving(settings) as (service, http):
        assert pods_processes(settings) == []
        assert (await spawn(http, "ada", "t"))["phase"] == "running"
        service.send_signal(signal.SIGTERM)
        await service.wait()
    assert pods_processes(settings) == []
