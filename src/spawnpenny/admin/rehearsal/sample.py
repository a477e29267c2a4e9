"""Requests as callers send them: a Hub's for a lab, a lab's for a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from spawnpenny.domain.names import DEFAULT_LAB
from spawnpenny.domain.spawns import Kind, SpawnRequest

if TYPE_CHECKING:
    from spawnpenny.admin.rehearsal.case import Case
    from spawnpenny.domain.spawns import Caller

_HUB: Final = "http://hub:8081/hub/api"


def sample_request(case: Case, caller: Caller | None) -> SpawnRequest:
    """Return what starts a case. No token in it is one."""
    if case.kind is not Kind.LAB:
        return SpawnRequest("rehearsal", dict(case.options), caller=caller)
    user, server = quote(case.user.username, safe="@~"), "" if case.name == DEFAULT_LAB else quote(case.name, safe="@~")
    prefix = f"/user/{user}/{server}/" if server else f"/user/{user}/"
    env = {
        "JUPYTERHUB_API_TOKEN": "rehearsal",
        "JUPYTERHUB_API_URL": _HUB,
        "JUPYTERHUB_ACTIVITY_URL": f"{_HUB}/users/{user}/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{user}",
        "JUPYTERHUB_SERVER_NAME": server,
        "JUPYTERHUB_SERVICE_PREFIX": prefix,
        "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{prefix}",
        "JUPYTERHUB_USER": case.user.username,
    }
    return SpawnRequest("rehearsal", dict(case.options), env)
