"""The address and token of the service, from arguments or from a lab's environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from spawnpenny.clients.dask.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Place:
    """The address and the token of the service.

    Attributes:
        url: The service.
        token: What speaks for the caller.
        user: Whose clusters these are; without it there is no progress to show.
        proxy: ``host:port`` of the TLS proxy, None where there is none.
        public: The URL at which browsers reach dashboards, None where there are none.

    """

    url: str
    token: str | None = field(repr=False)
    user: str | None = None
    proxy: str | None = None
    public: str | None = None

    @classmethod
    def known(
        cls,
        *,
        url: str | None = None,
        token: str | None = None,
        user: str | None = None,
        proxy: str | None = None,
        public: str | None = None,
    ) -> Place:
        """Return what the arguments say, and for each that is None what the environment does.

        Raises:
            ClusterError: Neither says where the service is.

        """
        env = os.environ
        url = url or env.get("SPAWNPENNY_URL")
        if not url:
            raise ClusterError("Where is spawnpenny? Set $SPAWNPENNY_URL, as it is inside a lab, or give url=.")
        found = proxy or env.get("DASK_GATEWAY__PROXY_ADDRESS") or ""
        return cls(
            url=url.rstrip("/"),
            token=token or env.get("SPAWNPENNY_TOKEN"),
            user=user or env.get("SPAWNPENNY_USER"),
            proxy=found.rpartition("://")[2].rstrip("/") or None,
            public=public or env.get("DASK_GATEWAY__PUBLIC_ADDRESS"),
        )


def is_known() -> bool:
    """Return whether the environment says where the service is."""
    return bool(os.environ.get("SPAWNPENNY_URL"))


def service_of(address: str | None) -> str | None:
    """Return the URL of the service of a dask-gateway client's ``address``."""
    return address.rstrip("/").removesuffix("/gateway") if address else None
