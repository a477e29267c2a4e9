"""Sample requests: a Hub's request for a lab, and a lab's request for another kind of spawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from spawnpenny.domain.kinds import OptionSource
from spawnpenny.domain.names import DEFAULT_LAB
from spawnpenny.domain.spawns import SpawnRequest

if TYPE_CHECKING:
    from spawnpenny.admin.rehearsal.candidates import Candidate
    from spawnpenny.domain.spawns import Caller

_HUB: Final = "http://hub:8081/hub/api"


def sample_request(candidate: Candidate, caller: Caller | None) -> SpawnRequest:
    """Return the request that starts a candidate; its tokens are not real."""
    if candidate.kind.options is not OptionSource.FORM:
        return SpawnRequest("rehearsal", dict(candidate.options), caller=caller)
    user, server = (
        quote(candidate.user.username, safe="@~"),
        "" if candidate.name == DEFAULT_LAB else quote(candidate.name, safe="@~"),
    )
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
        "JUPYTERHUB_USER": candidate.user.username,
    }
    return SpawnRequest("rehearsal", dict(candidate.options), env)
