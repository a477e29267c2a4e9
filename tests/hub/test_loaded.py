"""What a Hub loads of spawnpenny, and of the libraries of the server, when it has started and stopped a lab."""

from __future__ import annotations

import json

from spawnpenny.testing.jupyterhub import JupyterHub

CONFIG = """
import json, sys
from pathlib import Path

def write(spawner):
    Path("loaded.json").write_text(json.dumps(sorted(sys.modules)))

c.JupyterHub.spawner_class = "spawnpenny"
c.SpawnpennySpawner.url = {url!r}
c.SpawnpennySpawner.token = "hub-token"
c.Spawner.post_stop_hook = write
"""


async def test_a_hub_loads_nothing_of_the_server(service, tmp_path, loaded):
    async with JupyterHub(tmp_path / "hub", CONFIG.format(url=service.url)) as hub:
        await hub.start_server("ada")
        await hub.stop_server("ada")
        loaded.check("hub", json.loads((tmp_path / "hub" / "loaded.json").read_text()))
