"""A site's configuration, read from Python or from the chart's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Configured:
    """The traits of KubeSpawner that a site sets, and the parts of its setup that cannot be carried over."""

    traits: Mapping[str, Any] = field(default_factory=dict)
    own_class: str = ""
    """The name of the site's own spawner class; empty if it has none."""
    unread: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    """The place where a trait was set, if it is not the trait's name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of spawnpenny, by dotted name, that follow from values that are not traits."""
    hub_connect_url: str | None = None
    """The URL at which labs find the Hub; None if the site does not set it."""
    notes: tuple[str, ...] = ()


NONE: Final = Configured()
"""A site that sets nothing."""
