"""The address and token of the service, from arguments or from the environment of a lab."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from spawnpenny.clients.dask.errors import ClusterError


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """The address and the token of the service.

    Attributes:
        url: The URL of the service.
        token: The caller's token.
        user: The user whose clusters these are; None: the user of the token.
        proxy: ``host:port`` of the TLS proxy; None without a proxy.
        public: The URL at which browsers reach dashboards; None if they do not.

    """

    url: str
    token: str | None = field(repr=False)
    user: str | None = None
    proxy: str | None = None
    public: str | None = None

    @classmethod
    def find(
        cls,
        *,
        url: str | None = None,
        token: str | None = None,
        user: str | None = None,
        proxy: str | None = None,
        public: str | None = None,
    ) -> ServiceAddress:
        """Return the address by the arguments, and by the environment for those that are None.

        Raises:
            ClusterError: Neither has the URL of the service.

        """
        env = os.environ
        url = url or env.get("SPAWNPENNY_URL")
        if not url:
            raise ClusterError("The URL of spawnpenny is missing. Set $SPAWNPENNY_URL, as labs have it, or pass url=.")
        found = proxy or env.get("DASK_GATEWAY__PROXY_ADDRESS") or ""
        return cls(
            url=url.rstrip("/"),
            token=token or env.get("SPAWNPENNY_TOKEN"),
            user=user or env.get("SPAWNPENNY_USER"),
            proxy=found.rpartition("://")[2].rstrip("/") or None,
            public=public or env.get("DASK_GATEWAY__PUBLIC_ADDRESS"),
        )


def is_set() -> bool:
    """Return whether the environment has the URL of the service."""
    return bool(os.environ.get("SPAWNPENNY_URL"))


def service_of(address: str | None) -> str | None:
    """Return the URL of the service from the ``address`` of a dask-gateway client."""
    return address.rstrip("/").removesuffix("/gateway") if address else None
