"""A service without a cluster, in which spawns can be looked at and none can be started."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from spawnpenny.cluster.watched import Watched
from spawnpenny.domain.names import safe_slug
from spawnpenny.pipeline.account import Account
from spawnpenny.pipeline.record import UserRecord
from spawnpenny.pipeline.world import World

if TYPE_CHECKING:
    from spawnpenny.cluster.port import Cluster
    from spawnpenny.domain.users import User
    from spawnpenny.plugins import Plugins
    from spawnpenny.settings import Settings


class NoClusterError(Exception):
    """Something asked the cluster, or the broker, during a rehearsal."""


class _Nothing(Watched):
    """Knows of no object."""

    async def run(self) -> None:
        raise NoClusterError

    def staleness(self) -> float:
        return math.inf

    def doubt(self, namespace: str | None) -> None:
        del namespace


class _NoCluster:
    """Says where a Service would be reached, and refuses everything else."""

    def service_host(self, namespace: str, name: str) -> str:
        return f"{name}.{namespace}.svc"

    def __getattr__(self, name: str) -> Any:
        raise NoClusterError(name)


def make_world(settings: Settings, plugins: Plugins) -> World:
    """Return what spawns of these settings share, without anything that could be reached."""
    nobody = cast("Any", _NoCluster())
    return World(
        settings=settings,
        cluster=cast("Cluster", nobody),
        pods=_Nothing(),
        namespaces=_Nothing(),
        ownership=nobody,
        broker=nobody,
        keeper=nobody,
        plugins=plugins,
    )


def make_account(user: User) -> Account:
    """Return the account of a user who has nothing."""
    return Account(safe_slug(user.username), UserRecord(user, "rehearsal"))
