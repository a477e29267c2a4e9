"""Credentials of a cluster: one Secret for its pods, and its authority in the record."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from spawnpenny.api import AUTHORITY, CONTROL_TOKEN, SCHEDULER, WORKER, Authority, Manifest, PlannedSpawn
from spawnpenny_dask.pod_manifest import JOIN_TOKEN, LAUNCH, PRELOADS, variable_key

_DAYS: Final = 3650


def new_secrets(spawn: PlannedSpawn) -> dict[str, str]:
    """Return the secrets of a new cluster: its authority, and the token of its scheduler's control API."""
    return {AUTHORITY: Authority.create(spawn.name).pem, CONTROL_TOKEN: secrets.token_urlsafe(32)}


def join_token(token: str) -> str:
    """Return the token by which waiting workers accept the scheduler's address. It does not reveal the given token."""
    return hmac.new(token.encode(), b"join", hashlib.sha256).hexdigest()


def credentials(spawn: PlannedSpawn, environment: Mapping[str, str]) -> Manifest:
    """Return the cluster's Secret: files for its pods, and the user's variables, under keys that never collide."""
    authority = Authority.load(spawn.secrets[AUTHORITY])
    data = {"ca.crt": authority.certificate, CONTROL_TOKEN: spawn.secrets[CONTROL_TOKEN]}
    data[JOIN_TOKEN] = join_token(spawn.secrets[CONTROL_TOKEN])
    for role in (SCHEDULER, WORKER):
        issued = authority.issue(role, _DAYS)
        data |= {f"{role}.crt": issued.certificate, f"{role}.key": issued.key}
    for file in (LAUNCH, *PRELOADS[SCHEDULER], *PRELOADS[WORKER]):
        data[file] = (files(__package__) / file).read_text()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": spawn.names.base},
        "stringData": {**data, **{variable_key(name): value for name, value in environment.items()}},
    }
