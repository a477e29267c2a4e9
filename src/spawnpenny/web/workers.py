"""How many workers the Dask clusters of a user have, as their pods were last heard of: nothing is asked for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spawnpenny.domain import labels
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import Kind
from spawnpenny.pipeline import podstate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.service import Service

_WORKER = "worker"


@dataclass(slots=True)
class Workers:
    """How many workers of a cluster run, and how many are on their way."""

    running: int = 0
    pending: int = 0


def workers_of(service: Service, username: str) -> Mapping[str, Workers]:
    """Return the workers of each Dask cluster of a user, by the ids of their spawns; none for any other id."""
    namespace = Names.of(username, Kind.DASK, "", prefix=service.settings.namespaces.prefix).namespace
    found: defaultdict[str, Workers] = defaultdict(Workers)
    for pod in service.world.pods.within(namespace):
        marks = pod["metadata"].get("labels", {})
        if marks.get(labels.PART) != _WORKER or podstate.is_over(pod) or "deletionTimestamp" in pod["metadata"]:
            continue
        workers = found[marks.get(labels.SPAWN, "")]
        if podstate.is_ready(pod):
            workers.running += 1
        else:
            workers.pending += 1
    return found
