"""Budget of one spawn: the resources that it uses, and the scale that fits, by its steps' own checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from spawnpenny.domain.kinds import OptionSource
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import DEFAULT_GROUP, Scale
from spawnpenny.domain.worker_groups import group_names
from spawnpenny.errors import QuotaExceededError, SpawnpennyError
from spawnpenny.pipeline.spawn import PlannedSpawn, SpawnCallbacks
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.room import ending, room_of
from spawnpenny.spawns.scaling import Fitted, fit, fit_maximum
from spawnpenny.spawns.spawn_context import SpawnContext


@dataclass(frozen=True)
class Budget:
    """Computes what fits for one spawn; ``spawn`` makes the view of it that its steps check."""

    context: SpawnContext
    spawn: Callable[[], PlannedSpawn]

    def resources(self) -> Resources:
        """Return what all steps of the spawn together will use of the user's budget."""
        return self._resources_of(self.spawn())

    def blocking(self) -> list[ActiveSpawn]:
        """Return the user's ending spawns that must be gone before this one fits."""
        runs = ending(self.context.user_state, but=self.context.run)
        if not runs:
            return []
        spawn = self.spawn()
        spawn = replace(spawn, resources_in_use=spawn.resources_in_use + room_of(runs))
        try:
            for step in self.context.pipeline.steps:
                step.check(spawn)
        except SpawnpennyError:
            return runs
        return []

    def fit(self, desired: Scale) -> Fitted:
        """Return as much of a scale as the steps' own checks allow. Fewer workers than now always fit."""
        now = self.context.run.record.scale
        bounded = fit_maximum(
            desired, now=now, refusal=lambda scale: self._refusal(scale, resources_in_use=Resources())
        )
        fitted = fit(bounded.scale, now=now, refusal=self._refusal)
        return Fitted(fitted.scale, fitted.refusal or bounded.refusal)

    def demand_room_for_workers(self) -> None:
        """Refuse a spawn that could never have the least workers of its kind, even if its user stops everything else.

        Raises:
            QuotaExceededError: The spawn with the least workers exceeds the limit.

        """
        plugins = self.context.service_context.plugins
        kind = plugins.kinds[self.context.run.record.key.kind]
        if not kind.minimum:
            return
        groups = (
            group_names(plugins.worker_groups(kind.name)) if kind.options is OptionSource.CLUSTER else (DEFAULT_GROUP,)
        )
        scales = (Scale().resized(group, kind.minimum) for group in groups)
        refusals = (self._refusal(scale, resources_in_use=Resources()) for scale in scales)
        first = next(refusals)
        if first is not None and all(refusal is not None for refusal in refusals):
            raise first

    def set_scale(self, scale: Scale) -> None:
        """Put a scale and the resources that it uses into the record. The caller notifies the supervisor."""
        record = self.context.run.record
        record.scale = scale
        record.resources = self._resources_of(replace(self.spawn(), _callbacks=SpawnCallbacks(lambda: scale)))

    def resize(self, count: int) -> int:
        """Scale an adaptive cluster within its bounds and the budget; return the resulting number of workers."""
        run = self.context.run
        if run.recorded_scale is not None:
            return run.recorded_scale.count
        scale = run.record.scale.held(count)
        if scale.count != run.record.scale.count:
            self.set_scale(replace(scale, count=self.fit(scale).scale.count))
        return run.record.scale.count

    def _resources_of(self, spawn: PlannedSpawn) -> Resources:
        return self.context.pipeline.resources(spawn)

    def _refusal(self, scale: Scale, *, resources_in_use: Resources | None = None) -> QuotaExceededError | None:
        """Return why a scale does not fit, or None. ``resources_in_use`` replaces what other spawns use."""
        spawn = replace(self.spawn(), _callbacks=SpawnCallbacks(lambda: scale))
        spawn = replace(
            spawn,
            resources=self._resources_of(spawn),
            resources_in_use=spawn.resources_in_use if resources_in_use is None else resources_in_use,
        )
        try:
            for step in self.context.pipeline.steps:
                step.check(spawn)
        except QuotaExceededError as error:
            return error
        return None
