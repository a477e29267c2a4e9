"""Delete the Leases of replicas that are long dead: each pod of a Deployment that is killed leaves one."""

from __future__ import annotations

import structlog

from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ConflictError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.spawns.service_context import ServiceContext


async def forget_the_dead(service_context: ServiceContext) -> None:
    """Make one pass. One that was only asleep makes its Lease anew."""
    log = structlog.get_logger("spawnpenny.maintenance")
    for lease in service_context.ownership.peers.long_dead():
        try:
            await service_context.cluster.delete(Ref.of(lease), uid=lease["metadata"]["uid"])
        except ConflictError:
            continue  # another one of that name by now
        except SpawnpennyError as error:
            log.warning("the lease of a dead replica cannot be taken away", error=error.message)
        else:
            log.info("a dead replica is forgotten", lease=lease["metadata"]["name"])
