"""The contributions of the plugins to the pipelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from spawnpenny.domain.kinds import Kinds
from spawnpenny.pipeline.order import Ordered

if TYPE_CHECKING:
    from spawnpenny.domain.cluster_options import ClusterOption
    from spawnpenny.domain.events import Event
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.spawns import Key
    from spawnpenny.domain.users import User
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn
    from spawnpenny.pipeline.step import Step


class Extensions(Protocol):
    """The contributions of the plugins to the pipelines."""

    @property
    def kinds(self) -> Kinds: ...

    @property
    def steps(self) -> Sequence[Step]: ...

    @property
    def pipelines(self) -> Mapping[str, Ordered]: ...

    @property
    def origin(self) -> Mapping[str, str]: ...

    def pod_patches(self, spawn: PlannedSpawn, pod: Manifest) -> list[tuple[str, Manifest]]: ...

    def form_of(self, kind: str, user: User) -> Sequence[FormField]: ...

    def profiles(
        self,
        user: User,
        own: Sequence[Mapping[str, Any]],
        check: Callable[[Sequence[Mapping[str, Any]]], object],
    ) -> Sequence[Mapping[str, Any]]: ...

    def overrides(self, user: User, kind: str, options: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]: ...

    def cluster_options(self, user: User, kind: str) -> Sequence[ClusterOption]: ...

    def worker_groups(self, kind: str | None = None) -> Sequence[WorkerGroup]: ...

    def cluster_overrides(
        self, user: User, options: Mapping[str, Any], kind: str
    ) -> list[tuple[str, Mapping[str, Any]]]: ...

    def observe(self, username: str, key: Key, event: Event) -> None: ...
