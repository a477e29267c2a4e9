"""``spawnpenny proxy``, as a process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from resource import RLIMIT_NOFILE, setrlimit

import aiohttp
import pytest

from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import run_command

TOKEN = "the-proxys-token"


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def line_with(process, event):
    """Return the next line of the log that tells of an event, and all that came until then."""
    async with asyncio.timeout(PATIENCE):
        while raw := await process.stderr.readline():
            if json.loads(raw)["event"] == event:
                return json.loads(raw)
    raise AssertionError(f"it ended before it told of {event}")


@pytest.fixture
async def start(service):
    """Start the command before the service; it is killed at the end, if it still runs."""
    processes = []

    async def start(*arguments, port, descriptors=None, program=("-m", "spawnpenny"), **env):
        more = {"SERVICE": f"http://127.0.0.1:{port}", "HOST": "127.0.0.1", "PORT": "0", "DASHBOARD_PORT": "0"}
        env = {**os.environ, **{f"SPAWNPENNY_GATEWAY__{name}": value for name, value in more.items()}, **env}
        bound = None if descriptors is None else lambda: setrlimit(RLIMIT_NOFILE, (descriptors, descriptors))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *program, "proxy", *arguments),
            env=env,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=bound,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_when_asked_to_end_it_takes_nothing_new_and_waits_for_what_there_is(
    service, start, listen, hello, tmp_path
):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    data = hello("daskgateway-c1")
    async with service.serving() as port, listen(echo) as scheduler:
        service.put("c1", "127.0.0.1", scheduler)
        process = await start("--token-file", str(file), "--drain", "60", port=port)
        where = await line_with(process, "listening")
        reader, writer = await asyncio.open_connection("127.0.0.1", where["port"])
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        process.send_signal(signal.SIGTERM)
        assert (await line_with(process, "ending"))["connections"] == 1
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", where["port"])
        writer.close()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
        assert TOKEN not in (await process.stderr.read()).decode() + str(where)


async def test_it_loads_no_more_than_its_work_needs(service, start, listen, hello, loaded, tmp_path):
    """Nothing that knows of Kubernetes or of spawns, and no plugin."""
    file, data = tmp_path / "loaded.json", hello("daskgateway-c1")
    program = (str(Path(__file__).parents[4] / "tests" / "loaded.py"), str(file))
    async with service.serving() as port, listen(echo) as scheduler:
        service.put("c1", "127.0.0.1", scheduler)
        process = await start(port=port, program=program, SPAWNPENNY_PROXY_TOKEN=TOKEN)
        where = await line_with(process, "listening")
        reader, writer = await asyncio.open_connection("127.0.0.1", where["port"])
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    loaded.check("proxy", json.loads(file.read_text())["modules"])


async def test_two_proxies_cannot_have_one_port_and_it_is_said_which_setting(service, start):
    async with service.serving() as port:
        first = await start(port=port, SPAWNPENNY_PROXY_TOKEN=TOKEN)
        taken = str((await line_with(first, "listening"))["port"])
        second = await start(port=port, SPAWNPENNY_PROXY_TOKEN=TOKEN, SPAWNPENNY_GATEWAY__PORT=taken)
        async with asyncio.timeout(PATIENCE):
            output = (await second.stderr.read()).decode()
            assert await second.wait() == 2
        assert re.search(rf"gateway.host and gateway.port: cannot listen on 127.0.0.1:{taken}: .*in use", output)


def test_without_a_token_it_says_where_one_is_looked_for(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("SPAWNPENNY_PROXY_TOKEN", raising=False)
    assert run_command(["proxy"]) == 2
    assert "--token-file" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.touch()
    for file, why in ((empty, "is empty"), (tmp_path / "none", "cannot be read")):
        assert run_command(["proxy", "--token-file", str(file)]) == 2
        assert why in capsys.readouterr().err


def test_check_tells_of_a_proxy_that_nobody_tells_anything(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    gateway = "gateway: {address: 'http://there:8080', proxy_address: 'there:8786'}"
    file.write_text(f"{gateway}\nplugins: {{namespace: {{}}, lab: {{}}, dask: {{}}}}\n")
    run_command(["check", "--settings", str(file)])
    assert "note: No token has the scope routes" in capsys.readouterr().out
    file.write_text(f"{file.read_text()}tokens: {{proxy: {{sha256: '{'0b' * 32}', scopes: [routes]}}}}\n")
    run_command(["check", "--settings", str(file)])
    assert "scope routes" not in capsys.readouterr().out


@pytest.mark.parametrize("silent", ["port", "dashboard_port"])
async def test_silent_connections_at_one_port_keep_nobody_from_either(service, start, listen, hello, silent):
    data = hello("daskgateway-c1")
    async with service.serving() as port, listen(echo) as scheduler:
        service.put("c1", "127.0.0.1", scheduler)
        process = await start(
            port=port, descriptors=256, SPAWNPENNY_PROXY_TOKEN=TOKEN, SPAWNPENNY_DEADLINES__HEADER="60"
        )
        where = await line_with(process, "listening")
        readyz = f"http://127.0.0.1:{where['dashboard_port']}/readyz"
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as client:
            while (await client.get(readyz)).status != 200:  # noqa: ASYNC110 - it is asked as a probe does
                await asyncio.sleep(0.05)
            silenced = [await asyncio.open_connection("127.0.0.1", where[silent]) for _ in range(300)]
            reader, writer = await asyncio.open_connection("127.0.0.1", where["port"], local_addr=("127.0.0.2", 0))
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
            assert (await client.get(readyz)).status == 200
        process.kill()
        log = (await process.stderr.read()).decode()
        assert "Too many open files" not in log
        assert len(log.splitlines()) < 20
        for _, stream in [*silenced, (reader, writer)]:
            stream.close()
