"""Read a site's configuration: values of the chart, and Python over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from spawnpenny.admin.migration.loading import load_config
from spawnpenny.admin.migration.site import NONE, Configured
from spawnpenny.admin.migration.values import load_values

_VALUES: Final = frozenset({".yaml", ".yml", ".json"})


def read_configuration(paths: Sequence[Path]) -> Configured:
    """Return what files set; later values files override earlier ones, and Python overrides all of them.

    Raises:
        SettingsError: A file cannot be read, or fails.

    """
    values = [path for path in paths if path.suffix in _VALUES]
    configured = load_values(values) if values else NONE
    for path in paths:
        if path.suffix not in _VALUES:
            configured = load_config(path, configured)
    return configured
