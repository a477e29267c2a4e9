"""JupyterHub's spawner: ``c.JupyterHub.spawner_class = "spawnpenny"``. It needs only aiohttp and JupyterHub."""

from spawnpenny.clients.jupyterhub.spawner import SpawnpennySpawner

__all__ = ["SpawnpennySpawner"]
