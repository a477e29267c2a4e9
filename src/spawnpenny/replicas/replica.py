"""Identity of one running service among several."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from typing import Final, Self

from spawnpenny.settings.model import Settings

_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not listened on


@dataclass(frozen=True, slots=True)
class Replica:
    """One running service.

    Attributes:
        name: The name, which a process that replaces this one has, too.
        identity: A name that is new at each start.
        address: The URL at which the other replicas reach this one.

    """

    name: str
    identity: str
    address: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the replica that this process is, by its settings and its host."""
        name = settings.replicas.name or socket.gethostname().lower()
        return cls(name, f"{name}_{secrets.token_hex(8)}", settings.replicas.address or _address(settings))


def _address(settings: Settings) -> str:
    web = settings.web
    host = socket.gethostname() if web.host in _ANY else web.host
    return f"{'https' if web.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{web.port}"
