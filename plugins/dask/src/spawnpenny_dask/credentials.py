"""What the pods of a cluster trust and show: made once, kept in one Secret, and for the authority in the record."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from spawnpenny.api import Authority, Manifest, Spawn
from spawnpenny_dask.objects import JOIN_TOKEN, LAUNCH, PRELOADS, SCHEDULER, WORKER, variable_key

AUTHORITY: Final = "authority"
TOKEN: Final = "control"  # noqa: S105 - what it is called
_DAYS: Final = 3650


def new_secrets(spawn: Spawn) -> dict[str, str]:
    """Return what is secret of a new cluster: its authority, and the token of its scheduler's control API."""
    return {AUTHORITY: Authority.create(spawn.name).pem, TOKEN: secrets.token_urlsafe(32)}


def join_token(token: str) -> str:
    """Return by what waiting workers know who sends them the scheduler's address; the control API's does not follow."""
    return hmac.new(token.encode(), b"join", hashlib.sha256).hexdigest()


def credentials(spawn: Spawn, environment: Mapping[str, str]) -> Manifest:
    """Return the cluster's Secret: files for its pods, and the user's variables. Each has keys of its own."""
    authority = Authority.load(spawn.secrets[AUTHORITY])
    data = {"ca.crt": authority.certificate, TOKEN: spawn.secrets[TOKEN]}
    data[JOIN_TOKEN] = join_token(spawn.secrets[TOKEN])
    for role in (SCHEDULER, WORKER):
        leaf = authority.leaf(role, _DAYS)
        data |= {f"{role}.crt": leaf.certificate, f"{role}.key": leaf.key}
    for file in (LAUNCH, *PRELOADS[SCHEDULER], *PRELOADS[WORKER]):
        data[file] = (files(__package__) / file).read_text()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": spawn.names.base},
        "stringData": {**data, **{variable_key(name): value for name, value in environment.items()}},
    }
