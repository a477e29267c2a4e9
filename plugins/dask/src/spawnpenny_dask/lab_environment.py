"""Environment of labs in which ``Gateway()`` and ``SpawnpennyCluster()`` need no argument."""

from __future__ import annotations

from collections.abc import Iterator

from spawnpenny.api import NOTEBOOK, Kind, Manifest, PlannedSpawn, Settings


def lab_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    """Return the addition to a lab's pod; nothing if labs are not to use the gateway.

    What the pod, or its caller's environment, has already is left as it is.
    """
    if spawn.kind is not Kind.LAB or settings.gateway.address is None:
        return None
    containers = {container["name"]: container for container in pod["spec"]["containers"]}
    name = NOTEBOOK if NOTEBOOK in containers else next(iter(containers))
    existing = {each["name"] for each in containers[name].get("env") or ()} | spawn.env.keys()
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
    # The client fills it in from the lab's environment, so that the token is in the lab's Secret alone.
    yield "DASK_GATEWAY__AUTH__KWARGS__PASSWORD", "{SPAWNPENNY_TOKEN}"
    yield "DASK_GATEWAY__HTTP_CLIENT__PROXY", "False"
