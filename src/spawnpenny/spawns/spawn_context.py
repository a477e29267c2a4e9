"""Context of one spawn: the service, the user, and the spawn itself."""

from __future__ import annotations

from dataclasses import dataclass

from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.names import Names
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.pipeline.order import Ordered
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.unloaded_kinds import pipeline_without_plugin
from spawnpenny.spawns.user_state import UserState


@dataclass(frozen=True)
class SpawnContext:
    """One spawn of one user."""

    service_context: ServiceContext
    user_state: UserState
    run: ActiveSpawn

    @property
    def pipeline(self) -> Ordered:
        plugins, kind = self.service_context.plugins, self.run.record.key.kind
        ordered = plugins.pipelines.get(kind)
        return ordered if ordered is not None else pipeline_without_plugin(kind, plugins.steps)

    @property
    def kind(self) -> Kind | None:
        """The kind of the spawn, or None if no loaded plugin declares it."""
        return self.service_context.plugins.kinds.get(self.run.record.key.kind)

    @property
    def names(self) -> Names:
        key, prefix = self.run.record.key, self.service_context.settings.namespaces.prefix
        return Names.of(self.user_state.username, key.kind, key.name, prefix=prefix)

    def lost_its_namespace(self, error: BaseException) -> bool:
        """Return whether a refusal means that the user namespace is gone: the right to read in it goes with it."""
        namespace = self.service_context.namespaces.get(None, self.names.namespace)
        return namespace is None and isinstance(error, ClusterForbiddenError)
