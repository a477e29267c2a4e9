"""Names by which the proxy finds spawns: in the server name of TLS, and in paths of dashboards."""

from __future__ import annotations

import hashlib
from typing import Final

from spawnpenny.domain.names import HASH_LENGTH, safe_slug

_MAX: Final = 63


def proxy_name(username: str, kind: str, name: str) -> str:
    """Return the name of a spawn at the proxy: a DNS label that no spawn of another user or kind has.

    It begins with the kind and the spawn's own name.
    """
    digest = hashlib.sha256(f"{username}/{kind}/{name}".encode()).hexdigest()[:HASH_LENGTH]
    readable = f"{kind}-{safe_slug(name)}"[: _MAX - 1 - HASH_LENGTH].rstrip("-")
    return f"{readable}-{digest}"
