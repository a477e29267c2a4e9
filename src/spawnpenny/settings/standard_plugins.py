"""Standard plugins: those that are loaded, if installed, without a section ``plugins`` in the settings."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Final

MARKER: Final = "spawnpenny.standard"
"""The empty file in the package of a standard plugin. It is found without importing the plugin (decision 199)."""


def standard_plugins(installed: Iterable[EntryPoint]) -> tuple[str, ...]:
    """Return the names of the standard plugins among those that are installed, in alphabetical order."""
    return tuple(sorted({entry.name for entry in installed if _is_marked(entry)}))


def _is_marked(entry: EntryPoint) -> bool:
    try:
        spec = find_spec(entry.module.partition(".")[0])
    except (ImportError, ValueError):
        return False  # to load it fails with a better message
    places = (spec.submodule_search_locations if spec is not None else None) or ()
    return any(Path(place, MARKER).is_file() for place in places)
