"""A site on which Ray clusters run, and what a test does with those of its users."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from pytest_asyncio import fixture as async_fixture

from spawnpenny.api import Key, Scale
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.plugins import POD_UID, EmbeddedCluster, SpawnRequest, find_processes
from spawnpenny.testing.site import HUB, SMALL_LAB, make_site, settled
from spawnpenny.testing.spawns import make_spawn

SMALL = {"cores": 1, "memory": "1Gi"}
RAY = Key("ray", "r1")


@dataclass
class RaySite:
    """A site, and what a test does with the Ray clusters of its users, ada if none is named."""

    site: Any
    folder: Path
    service: Any = None

    stack: Any = None

    async def open(self, **section):
        """Run a service with these settings of the plugin, instead of the present one."""
        await self.close()
        self.site.data["plugins"]["ray"] = {"image": "ray", "head": SMALL, "worker": SMALL, **section}
        self.stack = AsyncExitStack()
        self.service = await self.stack.enter_async_context(self.site.service())

    async def close(self):
        """Stop the service; its clusters go on."""
        if self.stack is not None:
            await self.stack.aclose()
            self.stack = None

    async def start(self, user="ada", key="r1", start="s1", **more):
        """Start a cluster."""
        request = SpawnRequest(start, **more)
        return (await self.service.spawns.start(user, Key("ray", key), request, identity=HUB)).run

    async def cluster(self, user="ada", **more):
        """Start a cluster, and wait until it runs or failed."""
        return await settled(await self.start(user, **more))

    async def scale(self, count, user="ada", **more):
        """Scale a cluster; return what was taken."""
        return await self.service.spawns.scale(user, RAY, Scale(count, **more))

    def workers(self, user="ada"):
        """Return the names of the workers that the service knows, but for those on their way out."""
        pods = self.service.service_context.pods.within(self.site.namespace(user))
        staying = {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}
        return {pod for pod in staying if pod.startswith("ray-r1.w-")}

    async def until_workers(self, count, *, but=()):
        """Wait until there are so many workers, none of them one of ``but``; return their names."""
        async with asyncio.timeout(PATIENCE):
            with self.service.service_context.pods.subscribe() as changes:
                while len(names := self.workers()) != count or names & set(but):
                    await anext(changes)
        return names

    async def stop(self, user="ada"):
        """Stop a cluster, and wait until it is gone."""
        run = await self.service.spawns.stop(user, RAY)
        await run.until_gone()

    async def ended(self, user="ada"):
        """Wait until a cluster has ended by itself and nothing is left of it; return why it did."""
        run = self.run(user)
        async with asyncio.timeout(PATIENCE):
            while not run.record.phase.over:
                await run.bell.next().wait()
            await run.task
        return run.record.reason

    def run(self, user="ada"):
        return self.service.spawns.find(user, RAY)

    def events(self, user="ada"):
        return [event.message for event in self.run(user).record.log.since(None)]

    async def notified(self, words, user="ada"):
        """Wait until an event has these words."""
        async with asyncio.timeout(PATIENCE):
            while not any(words in message for message in self.events(user)):
                await self.run(user).bell.next().wait()

    def processes(self, pod_uid):
        """Return the processes of a pod."""
        return list(find_processes({POD_UID: pod_uid}))

    def kill(self, name, user="ada"):
        """Kill all processes of a pod."""
        pods = self.service.service_context.pods.within(self.site.namespace(user))
        (uid,) = (pod["metadata"]["uid"] for pod in pods if pod["metadata"]["name"] == name)
        for process in self.processes(uid):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    async def until_busy(self, user="ada"):
        """Wait until a task runs on the user's cluster."""
        url = (await self.lab_environment(user))["RAY_API_SERVER_ADDRESS"]
        path = "/api/v0/tasks?filter_keys=state&filter_predicates=%3D&filter_values=RUNNING"
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(headers=await self.headers(user)) as session:
            while True:
                async with session.get(url + path) as answer:
                    if (await answer.json())["data"]["result"]["result"]:
                        return
                await asyncio.sleep(0.1)  # nothing else tells that a task has begun

    async def token(self, user="ada"):
        """Return the token of the user's clusters."""
        secret = await self.site.read("Secret", "spawnpenny-ray", self.site.namespace(user))
        return base64.b64decode(secret["data"]["token"]).decode()

    async def headers(self, user="ada"):
        return {"Authorization": f"Bearer {await self.token(user)}"}

    def gcs_address(self, user="ada"):
        """Return the address at which a head serves its workers, from the arguments of one of them."""
        pods = self.service.service_context.pods.within(self.site.namespace(user))
        args = next(pod["spec"]["containers"][0]["args"] for pod in pods if ".w-" in pod["metadata"]["name"])
        (address,) = (arg for arg in args if arg.startswith("--address="))
        return address.removeprefix("--address=")

    async def lab_environment(self, user="ada"):
        """Return the environment of a cell in the user's lab, which may run before the cluster does."""
        pod = next(iter(await pods_of_labs(self.site, user)))
        (container,) = pod["spec"]["containers"]
        env = {entry["name"]: entry["value"] for entry in container["env"] if entry["name"].startswith("RAY_")}
        token = self.folder / f"token-{user}"
        token.write_text(await self.token(user))
        assert env["RAY_AUTH_TOKEN_PATH"] == "/etc/spawnpenny-ray/token"
        return env | {"RAY_AUTH_TOKEN_PATH": str(token), "PATH": os.environ["PATH"], "HOME": str(self.folder)}

    async def python(self, script, user="ada", **env):
        """Run a script as a cell of the user's lab; return exit code and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "ignore",
            "-c",
            script,
            env=await self.lab_environment(user) | env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 2 * PATIENCE)
        return process.returncode, output.decode()


async def pods_of_labs(site, user):
    objects = await site.objects("Pod", user=user)
    return [pod for name, pod in objects.items() if name.startswith("Pod/lab")]


@async_fixture(loop_scope="module", scope="module")
async def ray_site(tmp_path_factory):
    """Have a site whose image ``ray`` has Ray, for all tests of a module."""
    folder = tmp_path_factory.mktemp("ray")
    path = f"PATH={Path(sys.executable).parent}:/usr/bin:/bin"
    old = folder / "old" / "ray"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("__version__ = '2.40.0'")
    images = {"spawnpenny/lab": SMALL_LAB, "ray": ("env", path), "old": ("env", path, f"PYTHONPATH={old.parent}")}
    async with EmbeddedCluster(folder / "cluster", images) as cluster:
        yield RaySite(await make_site(cluster), folder)


@pytest.fixture
def spawn():
    """Have a spawn of a cluster of ada's."""
    return make_spawn("ray", "r1", _service_host=lambda name: f"{name}.lab-ada.svc")
