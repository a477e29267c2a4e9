"""The labels and annotations of spawnpenny's own objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MANAGED_BY: Final = "spawnpenny.io/managed-by"
MANAGER: Final = "spawnpenny"
INSTALLATION: Final = "spawnpenny.io/installation"
USER: Final = "spawnpenny.io/user"
KIND: Final = "spawnpenny.io/kind"
"""The kind of a spawn, such as ``lab``; else ``user``, ``record``, ``request``, ``status``, ``replica``, ``order``."""
LAB: Final = "spawnpenny.io/lab"
SPAWN: Final = "spawnpenny.io/spawn"
PART: Final = "spawnpenny.io/part"
"""On a further pod of a spawn, such as ``worker``: its end is not the spawn's end."""
WORKER_GROUP: Final = "spawnpenny.io/worker-group"
"""On the pod of a worker: its worker group."""
ROUTE: Final = "spawnpenny.io/route"
"""On the main pod of a spawn: ``true``, and the proxy leads to it."""

USERNAME: Final = "spawnpenny.io/username"
HASH: Final = "spawnpenny.io/hash"
ORIGIN: Final = "spawnpenny.io/origin"
"""On a pod: JSON of the request for its spawn, without env, so that a lost record can be rebuilt."""
CONTAINER: Final = "spawnpenny.io/container"
"""On a pod: the name of its own container, which decides whether the spawn runs."""
LAB_KEY: Final = "spawnpenny.io/token-sha256"
"""On the pod of a lab: the hash of the lab token."""
OWNER: Final = "spawnpenny.io/owner"
"""On a record: the identity of the replica that wrote it last."""
ADDRESS: Final = "spawnpenny.io/address"
"""On the Lease of a replica: its address for the other replicas."""
VERSION: Final = "spawnpenny.io/version"
"""On the Lease of a replica: its version of spawnpenny."""


def is_own(key: str) -> bool:
    """Return whether a label or annotation is one of spawnpenny's own."""
    return key.startswith(_OWN_PREFIX)


def ours(installation: str) -> dict[str, str]:
    """Return the labels that every object of this installation carries."""
    return {MANAGED_BY: MANAGER, INSTALLATION: installation}


_OWN_PREFIX: Final = "spawnpenny.io/"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_PREFIX: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_MAX_PREFIX: Final = 253
_RULE: Final = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit first and last"


def labels_fault(labels: Mapping[str, str]) -> str | None:
    """Return which label Kubernetes would refuse, and why; None if it takes all."""
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and (len(prefix) > _MAX_PREFIX or not _PREFIX.fullmatch(prefix))):
            return f"The key of the label {key!r} has to be {_RULE}, with or without a domain name and a slash before."
        if value and not _NAME.fullmatch(value):
            long = f" ({len(value)} characters)" if len(value) > 63 else ""  # noqa: PLR2004 - Kubernetes' limit
            return f"The label {key} has the value {value!r}{long}. A value has to be {_RULE}, or empty."
    return None
