"""A real Hub before the service on the embedded cluster, both killable, and Chromium before the Hub."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.settings.sections import EmbeddedSettings
from spawnpenny.testing.jupyterhub import PASSWORD, JupyterHub
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import Site, make_site

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LAB = EmbeddedSettings().images["spawnpenny/lab"]
GONE = "registry.example/lab:2019"
HELD = 'read -r go < "$0" && exec "$@"'
"""What an image runs that becomes the lab once the test says so."""
CONFIG = """
import json
from spawnpenny.clients.jupyterhub import SpawnpennySpawner

class Spawner(SpawnpennySpawner):
    async def poll(self):
        told = await super().poll()
        with open("polls", "a") as file:
            file.write(json.dumps([self.user.name, self.name, told]) + chr(10))
        return told

c.JupyterHub.spawner_class = Spawner
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 2}}  # so that pages tell of what is refused at once
c.Spawner.poll_interval = 1
c.Spawner.consecutive_failure_limit = 1
c.SpawnpennySpawner.url = {url!r}
c.SpawnpennySpawner.token = "hub-token"
"""
SMALL = {"cpu_limit": 1, "cpu_guarantee": 0.1, "mem_limit": "1G", "mem_guarantee": "100M"}
PROFILES = [
    {
        "display_name": "Small",
        "description": "For a first look: 1 CPU, 1 GB of memory.",
        "default": True,
        "kubespawner_override": SMALL,
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "lab": {"display_name": "JupyterLab", "kubespawner_override": {"image": "spawnpenny/lab"}},
                    "gone": {"display_name": "An old one", "kubespawner_override": {"image": GONE}},
                },
            }
        },
    },
    {
        "display_name": "Huge",
        "description": "16 CPU, 64 GB of memory.",
        "kubespawner_override": {"cpu_limit": 16, "mem_limit": "64G"},
    },
    {
        "display_name": "Course",
        "description": "The image of your course, which takes a while.",
        "kubespawner_override": {**SMALL, "image": "spawnpenny/course"},
    },
]
PLUGINS = {
    "namespace": {},
    "quota": {"labs": 2, "cpu": 4, "memory": "8Gi"},
    "user": {},
    "lab": {"profile_list": PROFILES},
}


@dataclass
class Hall:
    """All of it. ``polls`` is the file with each answer of each poll of the Hub's."""

    site: Site
    service: KillableService
    hub: JupyterHub
    browser: object
    held: Path

    @property
    def polls(self):
        return self.hub.folder / "polls"

    async def login(self, user):
        """Log in, in a browser of the user's own; return its page."""
        context = await self.browser.new_context(viewport={"width": 1000, "height": 640})
        context.set_default_timeout(1000 * PATIENCE)
        page = await context.new_page()
        await page.goto(f"{self.hub.url}hub/login?next=/hub/home")
        await page.fill("#username_input", user)
        await page.fill("#password_input", PASSWORD)
        await page.click("#login_submit")
        await page.wait_for_url("**/hub/home")
        return page

    async def pods(self, user):
        """Return the uids of a user's pods, by name."""
        found = await self.site.objects("Pod", user=user)
        return {name: pod["metadata"]["uid"] for name, pod in found.items()}

    async def until_it_waits(self, user, name=""):
        """Follow a spawn until its lab is being waited for."""
        async for event in self.hub.progress(user, name):
            if "Waiting for the lab" in event["message"]:
                return
        raise AssertionError(f"It is over:\n{self.hub.tail()}")

    async def until_polled(self, user, times=2):
        """Wait until the Hub has asked so many times more how a user's lab is."""
        before = self.count(user)
        await self.hub.until(lambda: self._polled(user, before + times), f"{times} polls of {user}'s lab")

    def count(self, user):
        return self.polls.read_text().count(f'["{user}"') if self.polls.exists() else 0

    @asynccontextmanager
    async def service_killed(self):
        """Kill the service, and start it again."""
        await self.service.kill()
        try:
            yield
        finally:
            await self.service.start()

    async def release(self):
        """Let the next held lab begin."""
        await asyncio.to_thread(self.held.write_text, "go\n")

    def ends_polled(self):
        """Return the polls so far that did not answer "it runs"."""
        answer = [json.loads(line) for line in self.polls.read_text().splitlines()]
        return [entry for entry in answer if entry[2] is not None]

    async def _polled(self, user, count):
        return self.count(user) >= count


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not in PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        expect.set_options(timeout=1000 * PATIENCE)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory, chromium):
    folder = tmp_path_factory.mktemp("hall")
    held = folder / "held"
    os.mkfifo(held)
    images = {"spawnpenny/lab": LAB, "spawnpenny/course": ("sh", "-c", HELD, str(held), *LAB)}
    async with EmbeddedCluster(folder / "cluster", images) as cluster:
        site = await make_site(cluster)
        scopes = ["read:any", "delete:any", "spawn:any"]
        site.data |= {"plugins": PLUGINS, "tokens": {"hub": {"sha256": hash_token("hub-token"), "scopes": scopes}}}
        async with KillableService(site) as service:
            config = CONFIG.format(url=service.url)
            async with JupyterHub(folder / "hub", config, python=sys.executable) as hub:
                yield Hall(site, service, hub, chromium, held)


@pytest.fixture
def picture():
    """Keep what a page shows as a picture of the docs, where goldens are written."""

    async def take(page, name, height=420):
        if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
            IMAGES.mkdir(exist_ok=True)
            await page.screenshot(path=IMAGES / f"{name}.png", clip={"x": 0, "y": 0, "width": 1000, "height": height})

    return take
