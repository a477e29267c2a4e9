"""The settings: frozen dataclasses with types and defaults, from which the schema that checks them is derived.

Each key is documented in ``docs/reference/settings.md``. ``spawnpenny.settings.load`` reads them from a file and the
environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Annotated, Any, Final, TypeVar

from spawnpenny.settings.schema import StrictSchema, load_strict
from spawnpenny.settings.sections import (
    BrokerSettings,
    DeadlineSettings,
    EmbeddedSettings,
    GatewaySettings,
    HousekeepingSettings,
    LimitSettings,
    NamespaceSettings,
    PodSettings,
    ReplicaSettings,
    TokenSettings,
    UserSettings,
    WebSettings,
)
from spawnpenny.settings.standard_plugins import standard_plugins
from spawnpenny.settings.types import (
    Name,
    Sections,
    one_of,
)

T = TypeVar("T")

PLUGIN_GROUP: Final = "spawnpenny"
"""The group of entry points of plugins."""


def _standard() -> dict[str, Any]:
    return {name: {} for name in standard_plugins(entry_points(group=PLUGIN_GROUP))}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. A plugin reads its own section with ``load``.

    ``plugins_dir`` is a folder with further plugins, one in each file.
    """

    installation: Name = "default"
    cluster: Annotated[str, one_of("kubernetes", "embedded")] = "kubernetes"
    web: WebSettings = field(default_factory=WebSettings)
    namespaces: NamespaceSettings = field(default_factory=NamespaceSettings)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    users: UserSettings = field(default_factory=UserSettings)
    pods: PodSettings = field(default_factory=PodSettings)
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    replicas: ReplicaSettings = field(default_factory=ReplicaSettings)
    housekeeping: HousekeepingSettings = field(default_factory=HousekeepingSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    embedded: EmbeddedSettings = field(default_factory=EmbeddedSettings)
    tokens: Mapping[str, TokenSettings] = field(default_factory=dict)
    plugins_dir: str | None = None
    plugins: Sections = field(default_factory=_standard)
    _read: set[str] = field(default_factory=set, repr=False, compare=False)
    _loaded: dict[tuple[str, type], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def load(self, plugin: str, schema: StrictSchema[T]) -> T:
        """Load the section of a plugin by its schema. A second call returns the same object.

        Raises:
            SettingsError: A key is unknown, missing or wrong.

        """
        self._read.add(plugin)
        key = plugin, type(schema)
        if key not in self._loaded:
            self._loaded[key] = load_strict(schema, self.plugins.get(plugin) or {}, f"plugins.{plugin}")
        loaded: T = self._loaded[key]
        return loaded

    def unread(self) -> list[str]:
        """Return the plugins with a section that was never loaded."""
        return sorted(name for name, section in self.plugins.items() if section and name not in self._read)
