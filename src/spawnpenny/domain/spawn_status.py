"""The status of a spawn, as functions of its plugin see it that describe it in answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spawnpenny.domain.spawns import Phase, Scale


@dataclass(frozen=True, slots=True)
class SpawnStatus:
    """The status of a spawn.

    Attributes:
        user: The username.
        name: The name of the spawn.
        id: The id of the spawn, in a label of its pods.
        phase: The phase.
        options: The chosen options, without secret ones.
        scale: The desired workers.
        url: The URL, once it runs.
        state: What its steps keep in its record.

    """

    user: str
    name: str
    id: str
    phase: Phase
    options: Mapping[str, Any]
    scale: Scale
    url: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict, hash=False)
