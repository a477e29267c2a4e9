"""Environment variables of labs, by which ``Gateway()`` and ``SpawnpennyCluster()`` need no argument."""

from __future__ import annotations

from collections.abc import Iterator

from spawnpenny.api import NOTEBOOK, Manifest, PlannedSpawn, Settings


def lab_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    """Return the patch for a lab's pod; None if labs are not to use the gateway.

    Variables that the pod or the caller of the spawn sets stay as they are.
    """
    if spawn.kind != "lab" or settings.gateway.address is None:
        return None
    containers = {container["name"]: container for container in pod["spec"]["containers"]}
    name = NOTEBOOK if NOTEBOOK in containers else next(iter(containers))
    existing = {variable["name"] for variable in containers[name].get("env") or ()} | spawn.env.keys()
    env = [{"name": key, "value": value} for key, value in _variables(spawn, settings) if key not in existing]
    return {"spec": {"containers": [{"name": name, "env": env}]}}


def _variables(spawn: PlannedSpawn, settings: Settings) -> Iterator[tuple[str, str]]:
    gateway, address = settings.gateway, (settings.gateway.address or "").rstrip("/")
    yield "SPAWNPENNY_USER", spawn.user.username
    yield "SPAWNPENNY_URL", address
    yield "DASK_GATEWAY__ADDRESS", f"{address}/gateway"
    if gateway.proxy_address:
        yield "DASK_GATEWAY__PROXY_ADDRESS", gateway.proxy_address
    if gateway.public_address:
        yield "DASK_GATEWAY__PUBLIC_ADDRESS", gateway.public_address
    yield "DASK_GATEWAY__AUTH__TYPE", "basic"
    yield "DASK_GATEWAY__AUTH__KWARGS__USERNAME", "lab"
    # The client fills in the token from the lab's environment, so that only the lab's Secret has it.
    yield "DASK_GATEWAY__AUTH__KWARGS__PASSWORD", "{SPAWNPENNY_TOKEN}"
    yield "DASK_GATEWAY__HTTP_CLIENT__PROXY", "False"
