"""Find default spawns that exceed the limits of the settings, so that nobody could ever start them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from spawnpenny.domain.spawns import Scale
from spawnpenny.errors import QuotaExceededError
from spawnpenny.pipeline.spawn import SpawnCallbacks
from spawnpenny.spawns.container_limits import sample

if TYPE_CHECKING:
    from spawnpenny.domain.kinds import Kind
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings


def never_fits(settings: Settings, plugins: Plugins) -> Iterator[str]:
    """Yield a sentence for each kind of spawn whose defaults are more than any user may use."""
    for kind in plugins.kinds.of_plugins:
        if not plugins.provides(kind.name):
            continue
        spawn = replace(sample(kind.name, settings, plugins), _callbacks=SpawnCallbacks(partial(Scale, kind.minimum)))
        pipeline = plugins.pipelines[kind.name]
        try:
            spawn = replace(spawn, resources=pipeline.resources(spawn))
            for step in pipeline.steps:
                step.check(spawn)
        except QuotaExceededError as error:
            requested, resource, limit = (error.facts[name] for name in ("asked", "resource", "limit"))
            yield f"Nobody can start {_default(kind)}: it asks for {requested} {resource} of at most {limit}."
        except Exception:  # noqa: BLE001, S112 - a step may know too little of this sample user
            continue


def _default(kind: Kind) -> str:
    if not kind.minimum:
        return f"{kind.indefinite} with the default choices"
    return f"{kind.indefinite} with {'one worker' if kind.minimum == 1 else f'{kind.minimum} workers'}"
