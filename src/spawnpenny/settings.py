"""The settings: a YAML file and the environment, through marshmallow, into frozen dataclasses.

``--settings FILE`` or ``$SPAWNPENNY_SETTINGS`` names the file. Then variables such as
``SPAWNPENNY_WEB__PORT=8081`` override it: the parts between double underscores are the keys, in lower case,
and the value is read as YAML. Each key is documented in ``docs/settings.md``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from marshmallow import ValidationError, fields, validate

from spawnpenny.errors import SettingsError
from spawnpenny.schemas import StrictSchema, flatten
from spawnpenny.sources import overrides, put, read_yaml, variable

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
_MAX_PREFIX: Final = 15


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
        return _load(schema, self.plugins.get(plugin) or {}, f"plugins.{plugin}")

    def unread(self) -> list[str]:
        """Return the plugins whose section has content that nothing has read."""
        return sorted(name for name, section in self.plugins.items() if section and name not in self._read)


class _Tuple(fields.List[Any]):
    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(*args, **kwargs))


def _text(pattern: str, told: str) -> fields.String:
    return fields.String(validate=validate.Regexp(pattern, error=told))


def _name() -> fields.String:
    return _text(
        r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z",
        "This is not a Kubernetes name: lower case letters, digits and -.",
    )


def _seconds() -> fields.Float:
    return fields.Float(
        validate=validate.Range(min=0, min_inclusive=False, max=86_400, error="Seconds: above 0, at most 86400.")
    )


def _posix_id() -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=0, max=2**31 - 1))


class _WebSchema(StrictSchema[WebSettings]):
    makes = WebSettings
    host = fields.String()
    port = fields.Integer(strict=True, validate=validate.Range(0, 65535))
    max_body = fields.Integer(strict=True, validate=validate.Range(1024, 256 * 1024))


class _NamespaceSchema(StrictSchema[NamespaceSettings]):
    makes = NamespaceSettings
    prefix = _text(
        rf"\A[a-z0-9][-a-z0-9]{{0,{_MAX_PREFIX - 1}}}\Z",
        f"Lower case letters, digits and -, at most {_MAX_PREFIX}.",
    )
    state = _name()
    provision = _name()


class _DeadlineSchema(StrictSchema[DeadlineSettings]):
    makes = DeadlineSettings
    spawn = _seconds()
    step = _seconds()
    stop = _seconds()
    history = _seconds()


class _LimitSchema(StrictSchema[LimitSettings]):
    makes = LimitSettings
    spawning = fields.Integer(strict=True, validate=validate.Range(min=1))


class _UserSchema(StrictSchema[UserSettings]):
    makes = UserSettings
    uid = _posix_id()
    gid = _posix_id()
    min_uid = fields.Integer(strict=True, validate=validate.Range(min=1, max=2**31 - 1))


class _PodSchema(StrictSchema[PodSettings]):
    makes = PodSettings
    allow = _Tuple(fields.String())
    images = _Tuple(fields.String())


class _BrokerSchema(StrictSchema[BrokerSettings]):
    makes = BrokerSettings
    role = _name()
    account = _name()
    account_namespace = _name()
    pod_security = fields.String(validate=validate.OneOf(["restricted", "baseline", "privileged"]))
    orders = fields.String(allow_none=True)


class _EmbeddedSchema(StrictSchema[EmbeddedSettings]):
    makes = EmbeddedSettings
    folder = fields.String(allow_none=True)
    images = fields.Dict(keys=fields.String(), values=_Tuple(fields.String(), validate=validate.Length(min=1)))


class _TokenSchema(StrictSchema[TokenSettings]):
    makes = TokenSettings
    sha256 = fields.String(
        required=True,
        validate=validate.Regexp(r"\A[0-9a-f]{64}\Z", error="This is not the SHA-256 of a token, in hex."),
    )
    scopes = _Tuple(fields.String(validate=validate.OneOf(SCOPES)), required=True)
    user = fields.String(allow_none=True)


class _SettingsSchema(StrictSchema[Settings]):
    makes = Settings
    installation = _name()
    cluster = fields.String(validate=validate.OneOf(["kubernetes", "embedded"]))
    web = fields.Nested(_WebSchema)
    namespaces = fields.Nested(_NamespaceSchema)
    deadlines = fields.Nested(_DeadlineSchema)
    limits = fields.Nested(_LimitSchema)
    users = fields.Nested(_UserSchema)
    pods = fields.Nested(_PodSchema)
    broker = fields.Nested(_BrokerSchema)
    embedded = fields.Nested(_EmbeddedSchema)
    tokens = fields.Dict(keys=fields.String(), values=fields.Nested(_TokenSchema))
    plugins = fields.Dict(keys=_name(), values=fields.Dict(allow_none=True))


def load_settings(file: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from a file (default: ``$SPAWNPENNY_SETTINGS``, else none) and the environment.

    Raises:
        SettingsError: The file cannot be read, or a setting is wrong: which, and what would be right.

    """
    environ = os.environ if environ is None else environ
    path = file or environ.get("SPAWNPENNY_SETTINGS")
    data = read_yaml(Path(path)) if path else {}
    for keys, value in overrides(environ):
        put(data, keys, value)
    return make_settings(data, source=path or "the environment", environ=environ)


def make_settings(
    data: Mapping[str, Any], *, source: str = "the settings", environ: Mapping[str, str] | None = None
) -> Settings:
    """Make settings from what a settings file holds.

    Args:
        data: What it holds.
        source: What it is called in the messages.
        environ: The variables that have overridden some of it.

    Raises:
        SettingsError: A setting is wrong.

    """
    settings = _load(_SettingsSchema(), data, "", source, environ)
    if settings.users.uid < settings.users.min_uid:
        raise SettingsError(
            f"users.uid is {settings.users.uid}, below users.min_uid ({settings.users.min_uid}), in {source}."
        )
    return settings


def _load(
    schema: StrictSchema[T],
    data: Mapping[str, Any],
    path: str,
    source: str = "the settings",
    environ: Mapping[str, str] | None = None,
) -> T:
    try:
        loaded: T = schema.load(data)
    except ValidationError as error:
        told: dict[str, list[str]] = {}
        for field, message in flatten(error.messages, path):
            place = variable(field, environ or {}) or source
            told.setdefault(place, []).append(f"{field or 'the whole'}: {message}")
        raise SettingsError(" ".join(f"In {place}: {' '.join(each)}" for place, each in told.items())) from None
    return loaded
