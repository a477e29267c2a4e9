"""JupyterHub's spawner: ``c.JupyterHub.spawner_class = "spawnpenny"``. It needs aiohttp and JupyterHub alone."""

from spawnpenny.clients.jupyterhub.spawner import SpawnpennySpawner

__all__ = ["SpawnpennySpawner"]
