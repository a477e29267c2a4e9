"""JupyterHub's internal SSL, whole: the Hub, its proxy and the labs talk TLS, and each shows a certificate."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.settings.sections import EmbeddedSettings
from spawnpenny.testing.jupyterhub import JupyterHub
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.site import Site, make_site

CONFIG = """
c.JupyterHub.internal_ssl = True
c.ConfigurableHTTPProxy.should_start = True
c.ConfigurableHTTPProxy.api_url = c.ConfigurableHTTPProxy.api_url.replace("http:", "https:")
c.JupyterHub.spawner_class = "spawnpenny.clients.jupyterhub.SpawnpennySpawner"
c.SpawnpennySpawner.url = {url!r}
c.SpawnpennySpawner.token = "hub-token"
"""
pytestmark = pytest.mark.asyncio(loop_scope="module")


class SecureHub(JupyterHub):
    """A Hub that starts its proxy itself, as it alone has the proxy's certificates."""

    def _start_proxy(self):
        pass


@dataclass
class Hall:
    site: Site
    hub: JupyterHub

    def client_context(self, *, certificate=True):
        """Return the context of a client that believes the labs, with the Hub's certificate or none."""
        folder = self.hub.folder / "internal-ssl"
        context = ssl.create_default_context(cafile=folder / "notebooks-ca" / "notebooks-ca.crt")
        if certificate:
            own = folder / "hub-internal"
            context.load_cert_chain(own / "hub-internal.crt", own / "hub-internal.key")
        return context

    async def has(self, user="ada"):
        return set(await self.site.objects("Pod", "Secret", "Service", user=user))

    async def labs(self, user="ada"):
        """Return where a user's labs are, by the names of their pods."""
        pods = await self.site.objects("Pod", user=user)
        return {name: pod["metadata"]["annotations"]["spawnpenny.io/url"] for name, pod in pods.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["6", "5"])
async def hall(request, tmp_path_factory):
    python = sys.executable if request.param == "6" else os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not python:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 is not set: there is no JupyterHub 5 to test with")
    folder = tmp_path_factory.mktemp("secure")
    async with EmbeddedCluster(folder / "cluster", EmbeddedSettings().images) as cluster:
        site = await make_site(cluster)
        scopes = ["read:any", "delete:any", "spawn:any"]
        site.data["plugins"]["lab"] = {"internal_ssl": True}
        site.data["plugins"]["quota"] = {"labs": 3, "cpu": 8, "memory": "16Gi"}
        site.data["tokens"] = {"hub": {"sha256": hash_token("hub-token"), "scopes": scopes}}
        async with (
            KillableService(site) as service,
            SecureHub(folder / "hub", CONFIG.format(url=service.url), python=python) as hub,
        ):
            yield Hall(site, hub)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(hall):
    """Have ada's default server and a named one, which were started at the same time."""
    names = ("", "second")
    await hall.hub.add_user("ada")
    await asyncio.gather(*(hall.hub.start_server("ada", name) for name in names))
    await asyncio.gather(*(hall.hub.until_ready("ada", name) for name in names))
    return hall


@pytest.mark.parametrize("path", ["user/ada/api", "user/ada/second/api"])
async def test_each_lab_is_reached_through_the_proxy(running, path):
    headers = {"Authorization": f"token {running.hub.token}"}
    async with aiohttp.ClientSession(running.hub.url, headers=headers) as browser, browser.get(path) as answer:
        assert answer.status == 200
        assert "version" in await answer.json()


async def test_each_lab_shows_a_certificate_for_its_own_address(running):
    labs = await running.labs()
    assert len(set(labs.values())) == 2
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.client_context())) as hub:
        for url in labs.values():
            assert url.startswith("https://127.")
            async with hub.get(f"{url}api") as answer:
                assert answer.status == 200


async def test_who_shows_no_certificate_is_refused_by_the_lab(running):
    connector = aiohttp.TCPConnector(ssl=running.client_context(certificate=False))
    async with aiohttp.ClientSession(connector=connector) as neighbour:
        for url in (await running.labs()).values():
            with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
                await neighbour.get(f"{url}api")


async def test_a_stopped_server_leaves_nothing_of_its_own_and_all_of_the_others(running):
    before = await running.has()
    mine = {"Pod/lab", "Secret/lab", "Secret/lab.tls", "Service/lab"}
    assert before == mine | {"Pod/lab-second", "Secret/lab-second", "Secret/lab-second.tls", "Service/lab-second"}
    await running.hub.stop_server("ada")
    assert await running.has() == before - mine
    assert (await running.hub.server("ada", "second"))["ready"]


async def test_the_hub_that_was_killed_finds_its_server_again(running):
    await running.hub.restart()
    assert (await running.hub.until_ready("ada", "second"))["ready"]
    headers = {"Authorization": f"token {running.hub.token}"}
    path = "user/ada/second/api"
    async with aiohttp.ClientSession(running.hub.url, headers=headers) as browser, browser.get(path) as answer:
        assert answer.status == 200


async def test_no_key_is_in_the_log_of_the_hub(running):
    keys = [
        secret["data"]["ssl.key"] for name, secret in (await running.site.objects("Secret")).items() if "tls" in name
    ]
    assert keys
    log = running.hub.log.read_text()
    assert "PRIVATE KEY" not in log
    assert not [key for key in keys if key[:40] in log]
