"""The demo and the service as processes: their start, their work, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import socket
import sys
import termios

import aiohttp
import psutil
import pytest

from spawnpenny.cli.demo.visit import Visit
from spawnpenny.cli.exits import CommandError
from spawnpenny.embedded.node.folder import Folder
from spawnpenny.embedded.node.orphans import NODE, end_orphans, find_processes


class Command:
    """A running spawnpenny command and its output."""

    def __init__(self, process):
        self.process = process

    async def until(self, pattern):
        """Read lines until one has the pattern, and return the match."""
        async for line in self.process.stdout:
            if match := re.search(pattern, line.decode()):
                return match
        raise AssertionError((await self.process.stderr.read()).decode())

    async def end(self, number=None):
        """Wait for the end, after a signal; return the exit code and the rest of the output."""
        if number is not None:
            self.process.send_signal(number)
        out, err = await self.process.communicate()
        return self.process.returncode, out.decode() + err.decode()


@pytest.fixture
async def spawnpenny(tmp_path):
    """Start the command with a state folder of its own."""
    started = []

    async def start(*arguments, **environ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "spawnpenny",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path), **environ},
        )
        started.append(process)
        return Command(process)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    await asyncio.to_thread(end_orphans, tmp_path / "spawnpenny" / "demo" / "cluster")  # also after a test that failed


@pytest.fixture
def left(tmp_path):
    """Return a function that finds the processes of the demo's cluster."""
    node_id = Folder(tmp_path / "spawnpenny" / "demo" / "cluster").node_id

    def find():
        return [process.pid for process in find_processes({NODE: node_id})]

    return find


FREE = ("--port", "0", "--hub-port", "0")


async def test_once_runs_cells_in_a_lab_that_a_real_hub_spawned_one_with_dask_and_leaves_nothing(
    spawnpenny, left, tmp_path
):
    code, output = await (await spawnpenny("demo", "--once", *FREE, "--user", "Ada L.")).end()
    assert code == 0, output
    assert re.search(r"JupyterHub runs at .*quota: done.*Waiting for the lab to answer", output, re.DOTALL)
    assert "6*7 = 42" in output
    assert re.search(r"Gateway\(\)\.new_cluster\(\).*two workers answer: 328350", output, re.DOTALL)
    assert re.search(r"lab\.pod +done +\d", output)
    assert left() == []
    (welcome,) = (tmp_path / "spawnpenny" / "demo" / "homes").glob("*/welcome.md")
    assert "Hello ada l." in welcome.read_text()


async def test_without_the_hubs_proxy_and_dask_it_says_so_and_runs_a_cell_all_the_same(spawnpenny, left, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['distributed'] = None")  # as if not there
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code, output = await (await spawnpenny("demo", "--once", *FREE, PATH=str(tmp_path), PYTHONPATH=path)).end()
    assert code == 0, output
    assert "Dask is not available: distributed is not installed" in output
    assert "JupyterHub is not available: Node.js, which JupyterHub's proxy needs, is not in PATH" in output
    assert "6*7 = 42" in output
    assert left() == []


@pytest.fixture
def hangups():
    """Let programs end on SIGHUP even if the tests run under nohup, which makes them ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
async def test_a_demo_that_is_asked_to_end_leaves_no_process(spawnpenny, left, number):
    command = await spawnpenny("demo", *FREE)
    await command.until("Ctrl-C ends the demo")
    assert left()
    code, output = await command.end(number)
    assert (code, left()) == (0, []), output


@pytest.mark.usefixtures("hangups")
async def test_closing_the_terminal_of_a_demo_leaves_no_process(tmp_path, left):
    terminal, its_end = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spawnpenny", "demo", *FREE),
        **dict.fromkeys(("stdin", "stdout", "stderr"), its_end),
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(its_end)
    output = b""
    while b"Ctrl-C ends the demo" not in output:
        output += await asyncio.to_thread(os.read, terminal, 4096)
    assert left()
    os.close(terminal)  # the kernel sends SIGHUP, and nothing can be written any more
    assert (await process.wait(), left()) == (0, [])


async def test_what_a_killed_demo_left_is_ended_by_clean(spawnpenny, left):
    command = await spawnpenny("demo", *FREE)
    await command.until("Ctrl-C ends the demo")
    await command.end(signal.SIGKILL)
    commands = [" ".join(psutil.Process(pid).cmdline()) for pid in left()]
    assert any("configurable-http-proxy" in line for line in commands)
    assert any(line.endswith("spawnpenny proxy") for line in commands)
    code, output = await (await spawnpenny("demo", "--clean")).end()
    assert (code, left()) == (0, []), output


async def test_the_demo_says_how_to_log_in_at_the_hub_and_that_works(spawnpenny):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = await spawnpenny("demo", "--port", "0", "--hub-port", str(port))
        await command.until(f"Port {port} is in use")
        url = (await command.until(r"^ +(http://127.0.0.1:\d+)"))[1]
        password = (await command.until(r"password: (\S+)"))[1]
        async with Visit(url, "ada", password) as visit:
            await visit.start()
            async for _ in visit.progress():
                pass
            assert (await visit.server()).startswith(f"{url}/user/ada/")
        with pytest.raises(CommandError, match="refused"):
            async with Visit(url, "ada", "another"):
                pass
        assert (await command.end(signal.SIGINT))[0] == 0


async def test_the_demo_without_a_hub_says_how_to_open_the_lab(spawnpenny, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = await spawnpenny("demo", "--port", str(port), PATH=str(tmp_path))
        await command.until(f"Port {port} is in use")
        lab = (await command.until(r"(http://127\.\S+/lab\?token=\S+)"))[1]
        async with aiohttp.ClientSession() as session, session.get(lab) as response:
            assert response.status == 200
        assert (await command.end(signal.SIGINT))[0] == 0


async def test_the_commands_that_the_demo_shows_start_and_stop_a_lab_in_another_home(spawnpenny, tmp_path):
    demo = await spawnpenny("demo", *FREE)
    service = {name: (await demo.until(f"export {name}=(.+)"))[1] for name in ("SPAWNPENNY_URL", "SPAWNPENNY_TOKEN")}
    arguments = [(await demo.until(rf"spawnpenny (lab {verb} grace)"))[1].split() for verb in ("start", "stop")]
    await demo.until("home directories of the users are in")
    secret = {"JUPYTER_TOKEN": "s3cr3t"}
    code, output = await (await spawnpenny(*arguments[0], "--env", "JUPYTER_TOKEN", **service, **secret)).end()
    assert code == 0, output
    url = re.search(r"http://127\.\S+?/(?=lab\?|$|\s)", output)[0]
    async with aiohttp.request("GET", f"{url}api/contents/welcome.md", params={"token": "s3cr3t"}) as response:
        assert "Hello grace" in (await response.json())["content"]
    homes = (tmp_path / "spawnpenny" / "demo" / "homes").glob("*/welcome.md")
    assert {welcome.parent.name for welcome in homes} == {"ada", "grace"}
    code, output = await (await spawnpenny(*arguments[1], **service)).end()
    assert code == 0, output
    assert (await demo.end(signal.SIGINT))[0] == 0


@pytest.fixture
def physics(tmp_path):
    """Install a site's own plugin, with a field of the form and an environment variable of the lab."""
    folder = tmp_path / "site-packages"
    information = folder / "acme_physics-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-physics\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[spawnpenny]\nphysics = acme_physics\n")
    (folder / "acme_physics.py").write_text(PHYSICS)
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


PHYSICS = """
from spawnpenny.api import FormChoice, FormField, hookimpl

@hookimpl
def spawnpenny_form():
    return [FormField("detector", "Detector", (FormChoice("atlas", "The ATLAS detector"),))]

@hookimpl
def spawnpenny_pod_patch(spawn):
    return {"spec": {"containers": [{"name": "notebook", "env": [{"name": "DETECTOR", "value": "atlas"}]}]}}
"""
SITE = {
    "web": {"port": 9999},
    "pods": {"allow": ["nfs"], "images": ["quay.io/*", "busybox"]},
    "tokens": {"hub": {"sha256": "0" * 64, "scopes": ["read:any"]}},
    "plugins": {
        "namespace": {},
        "physics": {},
        "user": {},
        "lab": {
            "node_selector": {"pool": "gpu"},
            "cmd": "start-singleuser.sh",
            "volumes": [{"name": "data", "nfs": {"server": "files", "path": "/data"}}],
            "volume_mounts": [{"name": "data", "mountPath": "/data"}],
            "init_containers": [
                {
                    "name": "fill",
                    "image": "busybox",
                    "command": ["sh", "-c", "set -eu; echo 42 > /data/answer"],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "profile_list": [
                {"display_name": "Particle", "default": True, "kubespawner_override": {"image": "quay.io/particle"}}
            ],
        },
    },
}


async def test_a_sites_settings_run_on_one_machine_and_what_cannot_is_said(spawnpenny, left, tmp_path, physics):
    file, orders = tmp_path / "site.yaml", tmp_path / "m.yaml"
    seen = tmp_path / "seen"
    script = f"set -eu; cp /opt/dossier/dossier.json {seen}; touch /homes/ada"
    orders.write_text(
        json.dumps(
            {
                "commission": [
                    {
                        "name": "home",
                        "image": "registry.example/tool",
                        "command": ["sh", "-c", script],
                        "volumeMounts": [{"name": "homes", "mountPath": "/homes"}],
                    }
                ],
                "volumes": [{"name": "homes", "nfs": {"server": "files", "path": "/homes"}}],
            }
        )
    )
    file.write_text(json.dumps({**SITE, "broker": {"orders": str(orders), "pod_security": "baseline"}}))
    code, output = await (await spawnpenny("demo", "--once", *FREE, "--settings", str(file), **physics)).end()
    assert code == 0, output
    for notice in (
        "Dask is not available: the settings do not name the plugin dask.",
        "with the plugins namespace, physics, user, lab.",
        "The demo sets these itself: web, tokens.hub, broker.pod_security.",
        "These have no effect on one machine: plugins.lab.node_selector.",
        "the JupyterLab of this environment runs (embedded.images names others): quay.io/particle.",
        (
            "These volumes are empty folders here, deleted with their pod: plugins.lab.volumes: data (nfs), "
            "orders.volumes: homes (nfs)."
        ),
        "the image's own command runs: plugins.lab.cmd (start-singleuser.sh).",
        "6*7 = 42",
    ):
        assert notice in output
    assert json.loads(seen.read_text())["username"] == "ada"
    assert left() == []


async def test_a_plugin_that_the_environment_names_is_in_the_form_beside_the_demos_own(spawnpenny, physics):
    demo = await spawnpenny("demo", *FREE, SPAWNPENNY_PLUGINS__PHYSICS="{}", **physics)
    await demo.until("with the plugins .*quota.*lab.*dask.*physics")
    url, token = [(await demo.until(f"export SPAWNPENNY_{name}=(.+)"))[1] for name in ("URL", "TOKEN")]
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.request("GET", f"{url}/v1/users/ada/form", headers=headers) as response:
        form = await response.text()
    assert "The ATLAS detector" in form
    assert "More than your quota" in form
    assert (await demo.end(signal.SIGINT))[0] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"plugins": {"namespace": {}}}, "The demo needs the plugin lab. Add lab: {} under plugins"),
        ({"plugins": {"lab": {}, "namespace": {}, "physic": {}}}, "'physic'"),
        ({"webb": {}}, "'webb' is not known here; did you mean 'web'?"),
    ],
)
async def test_settings_that_the_demo_cannot_have_are_refused_in_a_sentence(spawnpenny, tmp_path, settings, message):
    file = tmp_path / "site.yaml"
    file.write_text(json.dumps(settings))
    code, written = await (await spawnpenny("demo", "--once", *FREE, "--settings", str(file))).end()
    assert (code, "Traceback" in written) == (2, False)
    assert message in written


async def test_a_second_demo_says_that_the_first_one_runs(spawnpenny):
    first = await spawnpenny("demo", *FREE)
    await first.until("The service runs")
    code, output = await (await spawnpenny("demo", "--once", *FREE)).end()
    assert code == 2
    assert f"process {first.process.pid}" in output
    await first.end(signal.SIGTERM)


async def test_serve_writes_json_lines_listens_and_ends_when_asked(spawnpenny, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(f"{{cluster: embedded, embedded: {{folder: {tmp_path / 'c'}}}, web: {{host: 127.0.0.1, port: 0}}}}")
    command = await spawnpenny("serve", "--settings", str(file))
    async for raw in command.process.stderr:
        line = json.loads(raw)
        if line["event"] == "listening":
            break
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{line['port']}/healthz") as response,
    ):
        assert response.status == 200
    code, output = await command.end(signal.SIGTERM)
    assert code == 0
    assert all(json.loads(entry) for entry in output.splitlines())


async def test_serve_on_a_port_that_is_taken_says_so(spawnpenny, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environ = {"SPAWNPENNY_CLUSTER": "embedded", "SPAWNPENNY_EMBEDDED__FOLDER": str(tmp_path / "c")}
        command = await spawnpenny("serve", "--host", "127.0.0.1", "--port", port, **environ)
        code, output = await command.end()
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in output
    assert "Traceback" not in output
