"""The labels and annotations that mark what is spawnpenny's."""

from __future__ import annotations

from typing import Final

MANAGED_BY: Final = "spawnpenny.io/managed-by"
MANAGER: Final = "spawnpenny"
INSTALLATION: Final = "spawnpenny.io/installation"
USER: Final = "spawnpenny.io/user"
KIND: Final = "spawnpenny.io/kind"
"""``lab``, ``dask``, ``user`` on what a spawn makes; ``record``, ``claim``, ``board``, ``replica``, ``order``."""
LAB: Final = "spawnpenny.io/lab"
SPAWN: Final = "spawnpenny.io/spawn"
PART: Final = "spawnpenny.io/part"
"""On a further pod of a spawn, such as ``worker``: its end is not the spawn's end."""

USERNAME: Final = "spawnpenny.io/username"
HASH: Final = "spawnpenny.io/hash"
ORIGIN: Final = "spawnpenny.io/origin"
"""On a pod: JSON of the request that it came from, without env, so that a lost record can be made again."""
CONTAINER: Final = "spawnpenny.io/container"
"""On a pod: the name of the container whose fate is the pod's."""
LAB_KEY: Final = "spawnpenny.io/token-sha256"
"""On a lab's pod: the hash of the token that the lab itself asks with."""
OWNER: Final = "spawnpenny.io/owner"
"""On a record: the identity of the replica that wrote it last."""
ADDRESS: Final = "spawnpenny.io/address"
"""On a replica's Lease: where the other replicas reach it."""
VERSION: Final = "spawnpenny.io/version"
"""On a replica's Lease: which spawnpenny it runs."""


def ours(installation: str) -> dict[str, str]:
    """Return the labels that every object of this installation carries."""
    return {MANAGED_BY: MANAGER, INSTALLATION: installation}
