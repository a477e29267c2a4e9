"""jupyterhub-idle-culler, as it is: configured as the page on JupyterHub says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spawnpenny.testing.jupyterhub import JupyterHub

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "jupyterhub.md").read_text(encoding="utf-8")
CONFIG = """
c.JupyterHub.spawner_class = "spawnpenny"
c.SpawnpennySpawner.url = {url!r}
c.SpawnpennySpawner.token = "hub-token"
"""


@pytest.fixture
def culling():
    """Return what the page says, for servers that are idle for a second."""
    (block,) = [
        entry for entry in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "jupyterhub_idle_culler" in entry
    ]
    assert '"--timeout=3600"' in block
    return block.replace('"--timeout=3600"', '"--timeout=1", "--cull-every=1"')


async def test_an_idle_server_is_culled_and_its_pod_is_gone(site, service, client, culling, tmp_path):
    async with JupyterHub(tmp_path / "hub", CONFIG.format(url=service.url) + culling) as hub:
        await hub.start_server("ada")
        await hub.until(lambda: is_culled(hub), "The end of the idle server")
        assert await client.labs_of("ada") == ()
        assert await site.objects("Pod") == {}


async def is_culled(hub):
    found = await hub.server("ada")
    return (found is None or found.get("stopped")) and "Culling server ada" in hub.log.read_text()
