"""The settings, as frozen dataclasses with their defaults. Each key is documented in ``docs/reference/settings.md``.

``spawnpenny.settings.load`` reads them from a file and the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from spawnpenny.settings.schema import StrictSchema, load_strict

T = TypeVar("T")

SCOPES: Final = (
    "read:self",
    "spawn:self",
    "spawn:any",
    "read:any",
    "delete:any",
    "commission",
    "purge",
    "logs",
    "admin",
    "lab:self",
    "routes",
)
_IMAGES: Final = {
    "spawnpenny/lab": ("{python}", "-P", "{lab}", "{pod_ip}"),
    "spawnpenny/shell": ("sh",),
}
PLUGIN_GROUP: Final = "spawnpenny"
"""The entry points by which plugins are found."""
STANDARD_PLUGINS: Final = ("namespace", "quota", "user", "lab", "dask")
"""Those of them that are installed are loaded where the settings have no section ``plugins``."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the HTTP API listens, the largest body that it takes, in bytes, and the files of its TLS, if any.

    ``trusted_proxies`` are the networks of the proxies before it, whose ``forwarded_header`` is believed. ``prefix``
    is the path under which such a proxy keeps the service; without it the service is reached as well.
    """

    host: str = "0.0.0.0"  # noqa: S104 - in a container, behind a Service
    port: int = 8080
    max_body: int = 128 * 1024
    metrics: bool = True
    certificate: str | None = None
    key: str | None = None
    authority: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    forwarded_header: str = "X-Forwarded-For"
    prefix: str = "/services/dask-gateway"


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """What user namespaces are called, where records, the broker and provisioning pods live, and how pods are read.

    ``reads`` is ``cluster`` for one watch of all pods, or ``namespace`` for one in each user namespace.
    """

    prefix: str = "lab-"
    state: str = "spawnpenny-state"
    broker: str = "spawnpenny-broker"
    provision: str = "spawnpenny-provision"
    reads: str = "cluster"


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """How long things may take, in seconds.

    For a whole spawn, for one step of it, for stopping, and for how long a failed or ended spawn stays
    readable. A pod that is not ready after ``slow`` seconds is slow: what the cluster says of it is told.
    A connection has ``header`` for the header of a request and ``body`` for its body, stays open for ``idle`` between
    two requests, and is cut when an answer has not been read for ``write``.
    """

    spawn: float = 300
    step: float = 60
    stop: float = 60
    history: float = 3600
    slow: float = 10
    header: float = 10
    body: float = 20
    idle: float = 75
    write: float = 30


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How many spawns are under way at once (further ones wait for their turn), and what callers may ask for.

    ``starts`` are for a user and minute, ``streams`` are event streams open at once, for a user and in all.
    ``user_requests`` are a user's requests under way, ``bodies`` those in all whose bodies have not arrived yet.
    ``connections`` are open at once, in all and from one address.
    """

    spawning: int = 100
    starts: int = 60
    user_streams: int = 20
    streams: int = 2000
    user_requests: int = 64
    bodies: int = 200
    connections: int = 5000
    address_connections: int = 4000


@dataclass(frozen=True, slots=True)
class UserSettings:
    """The uid and gid of users of whom nobody says another, and the smallest uid that is taken."""

    uid: int = 1000
    gid: int = 100
    min_uid: int = 1000


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What pods may have.

    ``allow`` names openings in the hardening rules, ``images`` are patterns of image names, ``host_paths`` the paths
    of the host that the opening ``hostPath`` is for (empty: all).
    """

    allow: tuple[str, ...] = ()
    images: tuple[str, ...] = ("*",)
    host_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What the broker makes, and how it is asked.

    The role that it binds in user namespaces, for whom, the pod security level, further ``labels`` and ``annotations``
    of these namespaces, and the orders. ``separate`` says
    that it is a process of its own, with an account of its own. ``namespaces`` bounds how many it makes, ``releases``
    how many go in an hour, ``claims`` how many it works on at once; ``purge`` lets it delete volume claims with a
    namespace. ``keep_for`` are further kinds that keep an idle namespace where somebody else made one of them,
    ``ignore`` patterns of objects that do not. ``lease``, ``patience`` and ``expire`` are in seconds: after how long
    another broker takes over, after how long a claim that nobody took up has failed, and after how long one is not
    carried out any more.
    """

    separate: bool = True
    role: str = "spawnpenny-tenant"
    account: str = "spawnpenny"
    account_namespace: str = "spawnpenny"
    pod_security: str = "restricted"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    orders: str | None = None
    namespaces: int = 10_000
    releases: int = 100
    purge: bool = False
    keep_for: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    claims: int = 100
    lease: float = 8
    patience: float = 10
    expire: float = 60


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """Several services share the work.

    ``name`` is this one's, different from all others' (None: the host's name); ``address`` is where the others reach
    it, such as ``http://10.1.2.3:8080`` (None: made of the host's address and the port), and ``certified`` the name
    that the certificates of all of them carry (None: each one's address); ``lease`` are the seconds after which a
    silent one's users are taken over.
    """

    name: str | None = None
    address: str | None = None
    certified: str | None = None
    lease: float = 30


@dataclass(frozen=True, slots=True)
class HousekeepingSettings:
    """How often leftovers are looked for, and after how long idle namespaces are let go of (0: never), in seconds.

    ``share`` is how much of all labs one pass may remove before it stops and alarms.
    """

    every: float = 600
    idle: float = 7 * 86_400
    share: float = 0.1


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where Dask clusters are asked for and reached.

    ``address`` is the base URL at which labs reach the API (None: labs are told of no gateway), ``proxy_address`` the
    host and port at which they reach schedulers, ``public_address`` the URL at which browsers reach dashboards (None:
    there are none). ``host``, ``port`` and ``dashboard_port`` are where ``spawnpenny proxy`` listens, ``service`` is
    the URL at which it reaches the API.
    """

    address: str | None = None
    proxy_address: str | None = None
    public_address: str | None = None
    service: str = "http://127.0.0.1:8080"
    host: str = "0.0.0.0"  # noqa: S104 - in a container, behind a Service
    port: int = 8786
    dashboard_port: int = 8787


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
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    replicas: ReplicaSettings = ReplicaSettings()
    housekeeping: HousekeepingSettings = HousekeepingSettings()
    gateway: GatewaySettings = GatewaySettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    tokens: Mapping[str, TokenSettings] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {name: {} for name in STANDARD_PLUGINS})
    _read: set[str] = field(default_factory=set, repr=False, compare=False)
    _loaded: dict[tuple[str, type], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def load(self, plugin: str, schema: StrictSchema[T]) -> T:
        """Return a plugin's own section, checked by its schema once.

        Raises:
            SettingsError: A key is not known, missing or wrong.

        """
        self._read.add(plugin)
        key = plugin, type(schema)
        if key not in self._loaded:
            self._loaded[key] = load_strict(schema, self.plugins.get(plugin) or {}, f"plugins.{plugin}")
        loaded: T = self._loaded[key]
        return loaded

    def unread(self) -> list[str]:
        """Return the plugins whose section has content that nothing has read."""
        return sorted(name for name, section in self.plugins.items() if section and name not in self._read)
