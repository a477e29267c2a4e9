"""Lab tokens: each lab gets one at its start, to act for its user. It is valid as long as the pod of the lab runs.

The token names the pod, so that any replica finds it among the pods that it watches. An annotation of the pod has the
hash of the token. Only the Secret of the lab and, until the lab runs, the record have the token itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.auth.identity import Authenticator, Credentials, Identity
from spawnpenny.domain import labels
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import MAX_CALLER_OPTIONS_BYTES, Caller, Key
from spawnpenny.errors import NotReadyError, UnauthenticatedError
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.kubernetes.pods.containers import own_spec

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.kubernetes.object_cache import Watched

VARIABLE: Final = "SPAWNPENNY_TOKEN"
_PREFIX: Final = "sp-lab."
_SCOPES: Final = frozenset({"lab:self"})


def new_lab_token(names: Names) -> str:
    """Return a new token for a lab."""
    place = base64.urlsafe_b64encode(f"{names.namespace}/{names.base}".encode()).decode().rstrip("=")
    return f"{_PREFIX}{place}.{secrets.token_urlsafe(32)}"


def token_hash(env: Mapping[str, str]) -> str:
    """Return the hash of the token in a lab's environment; empty if there is none."""
    token = env.get(VARIABLE)
    return _hash(token) if token else ""


@dataclass(frozen=True, slots=True)
class LabTokens(Authenticator):
    """Authenticate by the lab tokens of spawns whose pods exist; ``kinds`` are those that get one."""

    pods: Watched
    installation: str
    kinds: frozenset[str]

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        token = credentials.token
        if token is None or not token.startswith(_PREFIX):
            return None
        pod = self._pod(token)
        if pod is None:
            if not self.pods.synced.is_set():
                raise NotReadyError
            raise UnauthenticatedError("The token belongs to a lab that does not run any more.")
        return _identity(pod)

    def _pod(self, token: str) -> Manifest | None:
        namespace, _, name = _place(token).partition("/")
        pod = self.pods.get(namespace, name)
        if pod is None or pod_status.is_over(pod):
            return None
        metadata = pod["metadata"]
        ours = labels.ours(self.installation)
        known = metadata.get("annotations", {}).get(labels.LAB_KEY, "")
        good = hmac.compare_digest(known.encode(), _hash(token).encode())
        found = metadata.get("labels", {})
        return pod if good and found.get(labels.KIND) in self.kinds and ours.items() <= found.items() else None


def _identity(pod: Manifest) -> Identity:
    metadata = pod["metadata"]
    username = metadata["annotations"][labels.USERNAME]
    origin = _origin(metadata)
    key = Key.parse(origin["key"])
    options = origin.get("options") or {}
    if len(json.dumps(options, ensure_ascii=False).encode()) > MAX_CALLER_OPTIONS_BYTES:
        options = {}
    caller = Caller(key.name, metadata["labels"][labels.SPAWN], own_spec(pod)["image"], options)
    return Identity(f"lab:{username}/{key.name}", _SCOPES, username=username, lab=caller)


def _origin(metadata: Manifest) -> Mapping[str, Any]:
    origin: Mapping[str, Any] = json.loads(metadata["annotations"][labels.ORIGIN])
    return origin


def _place(token: str) -> str:
    """Return namespace and name of the pod that a token names; empty if it names none."""
    encoded = token.removeprefix(_PREFIX).partition(".")[0]
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:  # no base64, no ASCII, or no UTF-8 in it
        return ""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
