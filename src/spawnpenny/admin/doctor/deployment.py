"""The deployment to diagnose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import account_of
from spawnpenny.domain import labels
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.admin.permissions.grants import Grant
    from spawnpenny.admin.permissions.parts import Account
    from spawnpenny.broker.orders import Orders
    from spawnpenny.kubernetes.client import KubernetesCluster
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings


@dataclass(frozen=True)
class Deployment:
    """The installation that settings and plugins describe, and the cluster that it runs in.

    Attributes:
        settings: The settings of the installation.
        plugins: Its plugins.
        cluster: A client of the cluster.
        version: The version of the API server.
        behind: The seconds by which our clock is behind the API server's; None if unknown.
        url: The URL of the service; None to leave it out.
        orders: The site's orders; None if they are not known here.

    """

    settings: Settings
    plugins: Plugins
    cluster: KubernetesCluster
    version: str
    behind: float | None
    url: str | None = None
    orders: Orders | None = None

    @cached_property
    def grants(self) -> tuple[Grant, ...]:
        """The rights that both accounts need."""
        return gather(self.settings, self.plugins)

    @property
    def accounts(self) -> dict[Account, tuple[str, str]]:
        """Namespace and name of each service account."""
        found: dict[Account, tuple[str, str]] = {"service": account_of("service", self.settings)}
        if self.settings.broker.separate:
            found["broker"] = account_of("broker", self.settings)
        return found

    @property
    def namespaces(self) -> list[str]:
        """Our own namespaces."""
        spaces, broker = self.settings.namespaces, self.settings.broker
        own = [broker.account_namespace, spaces.state, *([spaces.broker] if broker.separate else []), spaces.provision]
        return list(dict.fromkeys(own))

    @property
    def release(self) -> tuple[int, int]:
        """The version of Kubernetes as two numbers; zeros if it is unknown."""
        found = re.match(r"v?(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def ownership_labels(self, kind: str | None = None) -> dict[str, str]:
        """Return the labels of this installation's objects."""
        ours = labels.ours(self.settings.installation)
        return ours if kind is None else {**ours, labels.KIND: kind}

    def age(self, lease: Manifest) -> timedelta | None:
        """Return how long ago a Lease was renewed, by the API server's clock; None if it has no time."""
        renewed = (lease.get("spec") or {}).get("renewTime")
        if not renewed:
            return None
        now = datetime.now(UTC) + timedelta(seconds=self.behind or 0)
        return now - datetime.fromisoformat(renewed)

    async def user_namespaces(self) -> list[Manifest]:
        listing = await self.cluster.list(resource_of("Namespace"), labels=self.ownership_labels())
        return [item for item in listing.items if labels.USER in item["metadata"].get("labels", {})]
