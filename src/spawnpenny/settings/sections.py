"""Sections of the settings: frozen dataclasses with types and defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from marshmallow import fields, validate

from spawnpenny.domain.users import MAX_ID
from spawnpenny.settings.types import (
    Address,
    Annotations,
    Commands,
    Count,
    FilePath,
    HttpUrl,
    KindName,
    Labels,
    Name,
    NamePrefix,
    Network,
    ObjectPattern,
    Port,
    PosixId,
    ReplicaName,
    Seconds,
    Sha256,
    UrlPath,
    one_of,
    whole,
)

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


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The address of the HTTP API, the largest body that it takes, in bytes, and the files of its TLS, if any.

    ``trusted_proxies`` are the networks of the proxies before it, whose ``forwarded_header`` is believed. ``prefix``
    is the path under which such a proxy keeps the service; without it the service is reached as well. None for that of
    a loaded kind whose clients look for a service of JupyterHub.
    """

    host: str = "0.0.0.0"  # noqa: S104 - in a container, behind a Service
    port: Port = 8080
    max_body: Annotated[int, whole(1024, 256 * 1024)] = 128 * 1024
    metrics: bool = True
    certificate: str | None = None
    key: str | None = None
    authority: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    forwarded_header: Annotated[str, one_of("X-Forwarded-For", "Forwarded")] = "X-Forwarded-For"
    prefix: UrlPath | None = None


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """The names of the namespaces of users, records, broker and provisioning pods, and how pods are read.

    ``reads`` is ``cluster`` for one watch of all pods, or ``namespace`` for one in each user namespace.
    """

    prefix: NamePrefix = "lab-"
    state: Name = "spawnpenny-state"
    broker: Name = "spawnpenny-broker"
    provision: Name = "spawnpenny-provision"
    reads: Annotated[str, one_of("cluster", "namespace")] = "cluster"


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """Time limits, in seconds.

    For a whole spawn, for one step of it, for stopping, and for how long a failed or ended spawn stays
    readable. A pod that is not ready after ``slow`` seconds is slow: its Kubernetes Events are shown to the user.
    A connection has ``header`` for the header of a request and ``body`` for its body, stays open for ``idle`` between
    two requests, and is cut when an answer has not been read for ``write``.
    """

    spawn: Seconds = 300
    step: Seconds = 60
    stop: Seconds = 60
    history: Seconds = 3600
    slow: Seconds = 10
    header: Seconds = 10
    body: Seconds = 20
    idle: Seconds = 75
    write: Seconds = 30


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """The number of spawns under way at once (further ones wait for their turn), and limits of callers.

    ``starts`` are for a user and minute, ``streams`` are event streams open at once, for a user and in all.
    ``user_requests`` are a user's requests under way, ``bodies`` those in all whose bodies have not arrived yet.
    ``connections`` are open at once, in all and from one address.
    """

    spawning: Count = 100
    starts: Count = 60
    user_streams: Count = 20
    streams: Count = 2000
    user_requests: Count = 64
    bodies: Count = 200
    connections: Count = 5000
    address_connections: Count = 4000


@dataclass(frozen=True, slots=True)
class UserSettings:
    """The uid and gid of users by default, and the smallest uid that is accepted."""

    uid: PosixId = 1000
    gid: PosixId = 100
    min_uid: Annotated[int, whole(1, MAX_ID)] = 1000


@dataclass(frozen=True, slots=True)
class PodSettings:
    """Deviations that pods may have from the hardening rules.

    ``allow`` names openings in the hardening rules, ``images`` are patterns of image names, ``host_paths`` the paths
    of the host that the opening ``hostPath`` is for (empty: all).
    """

    allow: tuple[str, ...] = ()
    images: tuple[str, ...] = ("*",)
    host_paths: tuple[FilePath, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The objects that the broker creates, its limits, and how the service reaches it.

    ``separate`` says that it is a process of its own, with an account of its own. ``role`` is the ClusterRole that it
    binds in user namespaces for the service's ``account`` in ``account_namespace``. User namespaces get the level
    ``pod_security``, and further ``labels`` and ``annotations``. ``orders`` is the file with the site's orders.

    It keeps at most ``namespaces``, releases at most ``releases`` in an hour, and works on ``concurrency`` requests at
    the same time. ``purge`` lets it delete volume claims with a namespace. ``keep_for`` are further kinds of objects
    for which it keeps an idle namespace, ``ignore`` patterns of objects for which it does not.

    Another broker takes over when the Lease was not renewed for ``lease`` seconds. A request fails if no broker starts
    it within ``timeout`` seconds, and after ``expiry`` seconds no broker carries it out any more.
    """

    separate: bool = True
    role: Name = "spawnpenny-tenant"
    account: Name = "spawnpenny"
    account_namespace: Name = "spawnpenny"
    pod_security: Annotated[str, one_of("restricted", "baseline", "privileged")] = "restricted"
    labels: Labels = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)
    orders: str | None = None
    namespaces: Count = 10_000
    releases: Count = 100
    purge: bool = False
    keep_for: tuple[KindName, ...] = ()
    ignore: tuple[ObjectPattern, ...] = ()
    concurrency: Count = 100
    lease: Seconds = 8
    timeout: Seconds = 10
    expiry: Seconds = 60


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """One of several services that share the users.

    ``name`` is its name, unlike all others' (None: the host's name). ``address`` is the URL at which the others reach
    it, such as ``http://10.1.2.3:8080`` (None: the host's address and the port). ``certificate_name`` is the name in
    the certificates of all replicas (None: each replica's address). When a replica does not renew its Lease for
    ``lease`` seconds, another takes over its users.
    """

    name: ReplicaName | None = None
    address: HttpUrl | None = None
    certificate_name: str | None = None
    lease: Seconds = 30


@dataclass(frozen=True, slots=True)
class HousekeepingSettings:
    """Interval of the search for orphans, and idle time until a namespace is released (0: never), in seconds.

    ``share`` is how much of all labs one pass may remove before it stops and alarms.
    """

    every: Seconds = 600
    idle: Annotated[float, fields.Float(validate=validate.Range(min=0, error="Seconds; 0 for never."))] = 7 * 86_400
    share: Annotated[float, fields.Float(validate=validate.Range(0, 1, error="A share: from 0 to 1."))] = 0.1


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Addresses of the API and the proxy, as labs and browsers reach them.

    ``address`` is the base URL at which labs reach the API (None: labs do not learn it), ``proxy_address`` the host and
    port at which they reach spawns by TLS, ``public_address`` the URL at which browsers reach dashboards (None: there
    are none). ``host``, ``port`` and ``dashboard_port`` are where ``spawnpenny proxy`` listens, ``service`` is
    the URL at which it reaches the API.
    """

    address: HttpUrl | None = None
    proxy_address: Address | None = None
    public_address: HttpUrl | None = None
    service: HttpUrl = "http://127.0.0.1:8080"
    host: str = "0.0.0.0"  # noqa: S104 - in a container, behind a Service
    port: Port = 8786
    dashboard_port: Port = 8787


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """The embedded cluster's folder, and which command line stands for which image.

    By default the image of the lab plugin's defaults is this environment's JupyterLab, and there is a shell for orders.
    """

    folder: str | None = None
    images: Commands = field(default_factory=lambda: dict(_IMAGES))


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A static token: the SHA-256 of its text, its scopes, and the user that it speaks for, if any."""

    sha256: Sha256 = field(repr=False)
    scopes: tuple[Annotated[str, one_of(*SCOPES)], ...]
    user: str | None = None
