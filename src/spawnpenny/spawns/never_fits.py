"""Find default spawns that exceed the limits of the settings, so that nobody could ever start them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from spawnpenny.domain.resources import total
from spawnpenny.domain.spawns import Kind, Scale
from spawnpenny.errors import QuotaExceededError
from spawnpenny.pipeline.spawn import SpawnCallbacks
from spawnpenny.spawns.container_limits import sample

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

_WHAT = {Kind.LAB: "a lab with the default choices", Kind.DASK: "a Dask cluster with one worker"}


def never_fits(settings: Settings, plugins: Plugins) -> Iterator[str]:
    """Yield a sentence for each kind of spawn whose defaults are more than any user may use."""
    for kind, what in _WHAT.items():
        if not plugins.provides(kind):
            continue
        spawn = replace(sample(kind, settings, plugins), _callbacks=SpawnCallbacks(lambda: Scale(1)))
        steps = plugins.pipelines[kind].steps
        try:
            spawn = replace(spawn, resources=total(step.resources(spawn) for step in steps))
            for step in steps:
                step.check(spawn)
        except QuotaExceededError as error:
            requested, resource, limit = (error.facts[name] for name in ("asked", "resource", "limit"))
            yield f"Nobody can start {what}: it asks for {requested} {resource} of at most {limit}."
        except Exception:  # noqa: BLE001, S112 - a step may know too little of this sample user
            continue
