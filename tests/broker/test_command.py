"""``spawnpenny broker``: a process that leads or stands by, reports its health, and gives the lead up at its end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.leader import lease_ref
from spawnpenny.cli.command import run
from spawnpenny.domain.users import User


@pytest.fixture
def command(apiserver, kube_site, tmp_path):
    """Run the command with the site's settings."""
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(kube_site.data))

    @asynccontextmanager
    async def running(*program):
        program = program or ("-m", "spawnpenny")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *program, "broker", "--settings", str(file), "--health-port", "0"),
            env={**os.environ, "KUBECONFIG": str(apiserver.kubeconfig)},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return running


async def logged(process, *events):
    """Return the log entries of these events, once all are logged."""
    found = {}
    async for line in process.stderr:
        entry = json.loads(line)
        found[entry["event"]] = entry
        if found.keys() >= set(events):
            return found
    raise AssertionError(events)


async def ready(port):
    async with aiohttp.ClientSession() as client:
        async with client.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        async with client.get(f"http://127.0.0.1:{port}/readyz", headers={"Expect": "tea"}) as answer:
            assert (answer.status, answer.headers["Server"]) == (417, "spawnpenny")
            assert answer.content_type == "application/problem+json"
        async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status, (await answer.json())["status"]


async def scrape(port):
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        return (await answer.text()).splitlines()


async def test_the_command_leads_and_gives_the_lead_up_at_a_signal(kube_site, command):
    async with command() as process:
        log = await logged(process, "listening", "leading")
        assert await ready(log["listening"]["port"]) == (200, "leading")
        async with run_broker_client(kube_site.cluster, kube_site.settings) as broker:
            assert await broker.claim_namespace("ada")
        metrics = await scrape(log["listening"]["port"])
        for sample in ("spawnpenny_broker_leading 1.0", 'spawnpenny_broker_answers_total{outcome="ok"} 1.0'):
            assert sample in metrics
        assert 'spawnpenny_task_running{task="election"} 1.0' in metrics
        process.terminate()
        assert await process.wait() == 0
    lease = await kube_site.cluster.read(lease_ref(kube_site.settings))
    assert "holderIdentity" not in lease["spec"]


async def test_it_loads_no_more_than_its_work_needs(kube_site, command, loaded, tmp_path):
    """No plugin, and nothing of the HTTP API, the gateway, the embedded cluster or the migration."""
    file = tmp_path / "loaded.json"
    async with command(str(Path(__file__).parents[1] / "loaded.py"), str(file)) as process:
        log = await logged(process, "listening", "leading")
        async with run_broker_client(kube_site.cluster, kube_site.settings) as broker:
            uid = await broker.claim_namespace("ada")
            await broker.provision(User("ada", 2001, 2001), "commission")
            await broker.release_namespace("ada", uid)
        assert await scrape(log["listening"]["port"])
        process.terminate()
        assert await process.wait() == 0
    loaded.check("broker", json.loads(file.read_text())["modules"])


async def test_another_one_stands_by_and_is_ready(kube_site, command):
    async with kube_site.broker() as leader, command() as process:
        await leader.until_leading()
        log = await logged(process, "listening", "ready")
        assert await ready(log["listening"]["port"]) == (200, "standing by")


def test_the_embedded_cluster_needs_no_broker_of_its_own(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_text("cluster: embedded\n")
    assert run(["broker", "--settings", str(file)]) == 2
    assert "Run `spawnpenny serve` instead" in capsys.readouterr().err
