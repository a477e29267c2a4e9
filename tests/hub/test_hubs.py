"""The spawner in real Hubs, JupyterHub 6 and 5: what they count, what they stop, what they delete."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

import spawnpenny
from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.clients.http import Client
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.jupyterhub import PASSWORD, JupyterHub
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.site import SMALL_LAB, make_site

FIVE = os.environ.get("SPAWNPENNY_JUPYTERHUB5", "")
PYTHONS = {"6": sys.executable, "5": FIVE}
ENV = {**os.environ, "PYTHONPATH": str(Path(spawnpenny.__file__).parents[1])}
LIMIT = 2
CONFIG = """
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 30}}
c.JupyterHub.spawner_class = "spawnpenny"
c.SpawnpennySpawner.url = {url!r}
c.SpawnpennySpawner.token = {token!r}
c.SpawnpennySpawner.consecutive_failure_limit = {limit}
c.SpawnpennySpawner.patience = 1
c.SpawnpennySpawner.retire_users = True
c.SpawnpennySpawner.environment = {{"PASSWORD": "of-the-lab"}}
"""
SCOPES = ["read:any", "delete:any", "spawn:any", "purge", "commission"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


def python_of(version):
    if not PYTHONS[version]:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 does not say where the Python with JupyterHub 5 is")
    return PYTHONS[version]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    images = {"spawnpenny/lab": SMALL_LAB, "slow": ("{python}", "-c", "import signal; signal.pause()")}
    async with EmbeddedCluster(tmp_path_factory.mktemp("hubs") / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["tokens"] = {
            name: {"sha256": hash_token(f"{name}-token"), "scopes": SCOPES} for name in ("hub", "other")
        }
        names = {"default": "spawnpenny/lab", "slow": "slow", "none": "no/such", "{{ 6 * 7 }}": "slow"}
        site.data["plugins"]["lab"] = {"images": names, "grace": 1}
        async with KillableService(site) as service:
            service.site = site
            yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["6", "5"])
async def hub(request, service, tmp_path_factory):
    config = CONFIG.format(url=service.url, token="hub-token", limit=LIMIT)
    folder = tmp_path_factory.mktemp(f"hub{request.param}")
    async with JupyterHub(folder, config, python=python_of(request.param), env=ENV) as hub:
        yield hub


@pytest_asyncio.fixture(loop_scope="module")
async def client(service):
    async with Client(service.url, "hub-token") as client:
        yield client


async def requested(hub, user, options=None):
    """Ask for a server, and return status and message."""
    await hub.add_user(user)
    status, answer = await hub.api("POST", f"users/{user}/server", options or {})
    return status, answer["message"] if isinstance(answer, dict) else answer


async def test_a_server_starts_is_reported_and_stops(hub, client):
    await hub.start_server("ada")
    server = await hub.until_ready("ada")
    lab = await client.lab("ada")
    assert (server["state"], lab.running) == ({"start": lab.start, "user": "ada", "by": "token:hub"}, True)
    await hub.stop_server("ada")
    assert await client.labs_of("ada") == ()
    assert "of-the-lab" not in hub.log.read_text()
    assert "hub-token" not in hub.log.read_text()
    assert "unhandled user_options" not in hub.log.read_text()


async def test_refusals_are_reported_and_not_counted(hub, service):
    for _ in range(LIMIT + 1):
        status, message = await requested(hub, "bob", {"image": "none"})
        assert (status, "no/such" in message, "another image" in message) == (400, True, True)
    status, message = await requested(hub, "bob", {"image": "nothing"})
    assert (status, "There is no image 'nothing'" in message) == (422, True)
    await service.kill()
    try:
        for _ in range(LIMIT + 1):
            status, message = await requested(hub, "bob", {"image": "default"})
            assert (status, message.startswith("The service that starts servers does not answer.")) == (503, True)
    finally:
        await service.start()
    await hub.start_server("bob", options={"image": "default"})
    await hub.until_ready("bob")
    assert "consecutive spawns failed" not in hub.log.read_text()
    await hub.stop_server("bob")


async def test_a_start_that_is_cancelled_leaves_nothing(hub, service, client):
    task = asyncio.create_task(requested(hub, "carl", {"image": "slow"}))
    async for event in hub_progress(hub, "carl"):
        if "Waiting for the lab" in event["message"]:
            break
    await hub.stop_server("carl")
    await task
    assert await client.labs_of("carl") == ()
    assert await service.site.objects("Pod", "Secret", user="carl") == {}


async def hub_progress(hub, user):
    """Follow a spawn that is being asked for."""
    await hub.until(lambda: pending(hub, user), f"{user}'s spawn")
    async for event in hub.progress(user):
        yield event


async def pending(hub, user):
    status, answer = await hub.api("GET", f"users/{user}")
    return status == 200 and (answer["servers"].get("", {}).get("pending") == "spawn")


async def test_a_deleted_user_is_retired(hub, client):
    await hub.start_server("dora")
    await hub.until_ready("dora")
    await hub.stop_server("dora")
    status, _ = await hub.api("DELETE", "users/dora")
    assert status == 204
    log = hub.log.read_text()
    assert "The storage of dora's lab ~default is deleted." in log
    assert "dora is retired." in log


async def test_the_page_shows_the_form_as_it_is(hub):
    """A label in the settings that looks like a template is text, in JupyterHub's page too."""
    async with aiohttp.ClientSession(hub.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get("/hub/login"):
            xsrf = {"_xsrf": next(entry.value for entry in browser.cookie_jar if entry.key == "_xsrf")}
        login = {"username": "emil", "password": PASSWORD}
        async with browser.post("/hub/login?next=/hub/spawn", params=xsrf, data=login) as answer:
            page = await answer.text()
    assert answer.url.path == "/hub/spawn"
    assert 'value="{{ 6 * 7 }}"' in page


async def test_a_second_hub_leaves_the_servers_of_the_first_alone(hub, service, client, tmp_path):
    await hub.start_server("ines")
    await hub.until_ready("ines")
    url = (await client.lab("ines")).url
    config = CONFIG.format(url=service.url, token="other-token", limit=1)
    async with JupyterHub(tmp_path, config, env=ENV) as second:
        for _ in range(2):
            status, message = await requested(second, "ines")
            assert (status, "token:hub started it at" in message) == (409, True)
            assert "Stop it where it was started" in message
        assert (await client.lab("ines")).url == url
        await hub.stop_server("ines")
        await second.start_server("ines")
        await second.until_ready("ines")
        assert (await client.lab("ines")).by == "token:other"
        await second.stop_server("ines")
    assert "consecutive spawn" not in second.log.read_text()


OVERRIDES = """
c.JupyterHub.load_groups = {"vision": {"users": ["gina"]}, "broken": {"users": ["hugo"]}}
c.SpawnpennySpawner.group_overrides = {
    "01": {
        "groups": ["vision"],
        "spawner_override": {
            "image": "quay.io/gpu:1",
            "mem_limit": "16G",
            "node_selector": {"pool": "gpu"},
            "environment": {"COURSE": "vision"},
            "node_selektor": {"pool": "gpu"},
        },
    },
    "02": {"groups": ["broken"], "spawner_override": {"start_timeout": "soon"}},
}
async def hook(spawner):
    await spawner.load_user_options()
    spawner.volumes.append({"name": "scratch"})
    spawner.tolerations += [{"key": "gpu"}]
    spawner.environment["GREETING"] = spawner.image
c.SpawnpennySpawner.pre_spawn_hook = hook
c.SpawnpennySpawner.profile_list = [{"display_name": "GPU"}]
c.KubeSpawner.storage_capacity = "10Gi"
"""


@pytest.mark.parametrize("version", ["6", "5"])
async def test_what_is_written_for_kubespawner_starts_servers_and_is_warned_of(version, service, tmp_path):
    config = CONFIG.format(url=service.url, token="hub-token", limit=1) + OVERRIDES
    async with JupyterHub(tmp_path, config, python=python_of(version), env=ENV) as hub:
        for _ in range(2):
            status, message = await requested(hub, "hugo")
            assert (status, message.startswith("This Hub is not set up to start servers.")) == (503, True)
        await hub.start_server("gina")
        await hub.until_ready("gina")
        await hub.stop_server("gina")
        log = hub.log.read_text()
    for name in ("image", "mem_limit", "node_selector", "volumes", "tolerations", "profile_list"):
        assert log.count(f"SpawnpennySpawner.{name} is not used. Set plugins.lab.{name} in") == 1
    assert "Servers run the image that the service's settings name, not this one." in log
    assert "group_overrides sets node_selektor, which no spawner has. It is ignored. Did you mean node_selector?" in log
    assert "storage_capacity: Set plugins.storage.capacity in the settings of the service." in log
    assert "group_overrides cannot be applied to hugo" in log
    assert "TraitError" in log
    assert "Unhandled error" not in log


@pytest.mark.parametrize("version", ["6", "5"])
async def test_a_wrong_token_is_a_sentence_and_never_ends_the_hub(version, service, tmp_path):
    config = CONFIG.format(url=service.url, token="wrong", limit=1)
    async with JupyterHub(tmp_path, config, python=python_of(version), env=ENV) as hub:
        for _ in range(2):
            status, message = await requested(hub, "ada")
            assert (status, message.startswith("This Hub is not set up to start servers.")) == (503, True)
        log = hub.log.read_text()
    found = "This Hub cannot use spawnpenny as it is configured: spawnpenny does not accept the Hub's token"
    assert log.count(found) == 1
    assert "Unhandled error" not in log
    assert "consecutive spawn" not in log


async def test_a_hub_that_ends_leaves_no_connection_open(service, tmp_path):
    config = CONFIG.format(url=service.url, token="hub-token", limit=LIMIT)
    async with JupyterHub(tmp_path, config, env=ENV) as hub:
        await hub.start_server("fred")
        await hub.until_ready("fred")
    log = hub.log.read_text()
    assert "Leaving single-user servers running" in log
    assert "Unclosed" not in log
