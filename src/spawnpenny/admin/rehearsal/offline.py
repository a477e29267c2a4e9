"""A service context without a cluster: spawns can be drafted in it, but cannot start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from spawnpenny.domain.names import safe_slug
from spawnpenny.kubernetes.object_cache import Watched
from spawnpenny.plugin.manager import Plugins
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_state import UserState

if TYPE_CHECKING:
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.users import User
    from spawnpenny.kubernetes.interface import Cluster
    from spawnpenny.settings.model import Settings


class NoClusterError(Exception):
    """A step called the cluster, or the broker, during a rehearsal."""


class _NoObjects(Watched):
    """An informer without objects."""

    async def run(self) -> None:
        raise NoClusterError

    def staleness(self) -> float:
        return math.inf

    def doubt(self, namespace: str | None) -> None:
        del namespace


class _NoCluster:
    """A cluster that knows the host names of Services, and refuses everything else."""

    def service_host(self, namespace: str, name: str) -> str:
        return f"{name}.{namespace}.svc"

    def __getattr__(self, name: str) -> Any:
        raise NoClusterError(name)


def offline_context(settings: Settings, plugins: Plugins) -> ServiceContext:
    """Return the dependencies of spawns, without a cluster behind them."""
    nobody = cast("Any", _NoCluster())
    return ServiceContext(
        settings=settings,
        cluster=cast("Cluster", nobody),
        pods=_NoObjects(),
        namespaces=_NoObjects(),
        ownership=nobody,
        broker=nobody,
        store=nobody,
        plugins=_OneRun(plugins),
    )


class _OneRun(Plugins):
    """Plugins whose form is made once for each user: a form with hundreds of profiles takes long."""

    def __init__(self, plugins: Plugins) -> None:
        self.__dict__.update(plugins.__dict__)
        self._forms: dict[User, tuple[FormField, ...]] = {}

    def form(self, user: User) -> tuple[FormField, ...]:
        if user not in self._forms:
            self._forms[user] = super().form(user)
        return self._forms[user]


def offline_user_state(user: User) -> UserState:
    """Return the state of a user who has nothing."""
    return UserState(safe_slug(user.username), UserRecord(user, "rehearsal"))
