"""The settings, as frozen dataclasses with their defaults. Each key is documented in ``docs/settings.md``.

``spawnpenny.configuration`` reads them from a file and the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from spawnpenny.schemas import StrictSchema, load_strict

T = TypeVar("T")

SCOPES: Final = (
    "spawn:self",
    "spawn:any",
    "read:any",
    "delete:any",
    "commission",
    "purge",
    "logs",
    "admin",
    "lab:self",
)
_IMAGES: Final = {
    "spawnpenny/lab": (
        "{python}",
        "-m",
        "jupyterlab",
        "--ip={pod_ip}",
        "--port=8888",
        "--ServerApp.port_retries=0",
        "--no-browser",
        "--allow-root",
    ),
    "spawnpenny/shell": ("sh",),
}
STANDARD_PLUGINS: Final = ("namespace", "quota", "user", "lab")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the HTTP API listens, and the largest body that it takes, in bytes."""

    host: str = "0.0.0.0"  # noqa: S104 - in a container, behind a Service
    port: int = 8080
    max_body: int = 128 * 1024


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """What user namespaces are called, and where records and provisioning pods live."""

    prefix: str = "lab-"
    state: str = "spawnpenny-state"
    provision: str = "spawnpenny-provision"


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """How long things may take, in seconds.

    For a whole spawn, for one step of it, for stopping, and for how long a failed or ended spawn stays
    readable.
    """

    spawn: float = 300
    step: float = 60
    stop: float = 60
    history: float = 3600


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How many spawns are under way at once; further ones wait for their turn."""

    spawning: int = 100


@dataclass(frozen=True, slots=True)
class UserSettings:
    """The uid and gid of users of whom nobody says another, and the smallest uid that is taken."""

    uid: int = 1000
    gid: int = 100
    min_uid: int = 1000


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What pods may have: ``allow`` names openings in the hardening rules, ``images`` are patterns of image names."""

    allow: tuple[str, ...] = ()
    images: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What the broker makes.

    The role that it binds in user namespaces, for whom, the pod security level, and the orders.
    """

    role: str = "spawnpenny-tenant"
    account: str = "spawnpenny"
    account_namespace: str = "spawnpenny"
    pod_security: str = "restricted"
    orders: str | None = None


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """The embedded cluster's folder, and which command line stands for which image.

    By default the image of the lab plugin's defaults is this environment's JupyterLab, and there is a shell for orders.
    """

    folder: str | None = None
    images: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(_IMAGES))


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A static token: the SHA-256 of its text, its scopes, and the user that it speaks for, if any."""

    sha256: str = field(repr=False)
    scopes: tuple[str, ...]
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. A plugin reads its own section with ``load``."""

    installation: str = "default"
    cluster: str = "kubernetes"
    web: WebSettings = WebSettings()
    namespaces: NamespaceSettings = NamespaceSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    limits: LimitSettings = LimitSettings()
    users: UserSettings = UserSettings()
    pods: PodSettings = PodSettings()
    broker: BrokerSettings = BrokerSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    tokens: Mapping[str, TokenSettings] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {name: {} for name in STANDARD_PLUGINS})
    _read: set[str] = field(default_factory=set, repr=False, compare=False)

    def load(self, plugin: str, schema: StrictSchema[T]) -> T:
        """Return a plugin's own section, checked by its schema.

        Raises:
            SettingsError: A key is not known, missing or wrong.

        """
        self._read.add(plugin)
        return load_strict(schema, self.plugins.get(plugin) or {}, f"plugins.{plugin}")

    def unread(self) -> list[str]:
        """Return the plugins whose section has content that nothing has read."""
        return sorted(name for name, section in self.plugins.items() if section and name not in self._read)
