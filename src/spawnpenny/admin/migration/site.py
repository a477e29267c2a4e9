"""A site's configuration, whichever way it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Configured:
    """The traits of KubeSpawner that a site has set, and other parts of its setup that cannot be carried."""

    traits: Mapping[str, Any] = field(default_factory=dict)
    own_class: str = ""
    """The site's own spawner class, where it has one."""
    unread: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where a trait was set, if not under its own name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Our settings, by their names with dots, that follow from what is no trait."""
    hub_connect_url: str | None = None
    """Where labs find the Hub, if the site says it."""
    notes: tuple[str, ...] = ()


NONE: Final = Configured()
"""A site that has set nothing."""
