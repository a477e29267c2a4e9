"""Environment variables of labs, by which ``ray.init()`` and ``JobSubmissionClient()`` need no argument."""

from __future__ import annotations

from spawnpenny.api import NOTEBOOK, Manifest, PlannedSpawn
from spawnpenny_ray.access import client_url, dashboard_url, token_mount, token_variables, token_volume


def lab_patch(spawn: PlannedSpawn, pod: Manifest) -> Manifest | None:
    """Return the patch for a lab's pod, and None for others.

    If the pod or the caller of the spawn sets one of these variables, the lab is for another Ray cluster, and stays as
    it is.
    """
    if spawn.kind != "lab":
        return None
    containers = {container["name"]: container for container in pod["spec"]["containers"]}
    name = NOTEBOOK if NOTEBOOK in containers else next(iter(containers))
    existing = {variable["name"] for variable in containers[name].get("env") or ()} | spawn.env.keys()
    variables = {
        "RAY_ADDRESS": client_url(spawn),
        "RAY_API_SERVER_ADDRESS": dashboard_url(spawn),
        **token_variables(),
    }
    if existing & variables.keys():
        return None
    env = [{"name": key, "value": value} for key, value in variables.items()]
    container = {"name": name, "env": env, "volumeMounts": [token_mount()]}
    return {"spec": {"containers": [container], "volumes": [token_volume()]}}
