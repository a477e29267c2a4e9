"""Reads the settings: a YAML file and the environment, through marshmallow, into the dataclasses of ``settings``.

``--settings FILE`` or ``$SPAWNPENNY_SETTINGS`` names the file. Then variables such as ``SPAWNPENNY_WEB__PORT=8081``
override it: the parts between double underscores are the keys, in lower case, and the value is read as YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.domain.users import MAX_ID
from spawnpenny.errors import SettingsError
from spawnpenny.settings.model import (
    PLUGIN_GROUP,
    SCOPES,
    STANDARD_PLUGINS,
    BrokerSettings,
    DeadlineSettings,
    EmbeddedSettings,
    GatewaySettings,
    HousekeepingSettings,
    LimitSettings,
    NamespaceSettings,
    PodSettings,
    ReplicaSettings,
    Settings,
    TokenSettings,
    UserSettings,
    WebSettings,
)
from spawnpenny.settings.schema import StrictSchema, TupleField, load_strict, without
from spawnpenny.settings.sources import overrides, put, read_yaml

_MAX_PREFIX: Final = 15
_LABEL_KEY: Final = (
    r"\A(?=[^/]{1,253}/)?(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z"
)
_PREFIX: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@-]+)+", re.ASCII)
_PATH: Final = r"\A/(?:(?!\.{1,2}(?:/|\Z))[^/]+(?:/(?!\.{1,2}(?:/|\Z))[^/]+)*)?\Z"
_LABEL_VALUE: Final = r"\A(?:[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?\Z"


def _text(pattern: str, told: str) -> fields.String:
    return fields.String(validate=validate.Regexp(pattern, error=told))


def _name() -> fields.String:
    return _text(
        r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z",
        "This is not a Kubernetes name: lower case letters, digits and -.",
    )


def _key() -> fields.String:
    """Return a field for the key of a label or annotation of user namespaces that is not ours to give already."""
    return fields.String(
        validate=[
            validate.Regexp(
                _LABEL_KEY, error="This is not the key of a label or annotation, such as example.org/team."
            ),
            validate.Regexp(
                r"(?!spawnpenny\.io/|pod-security\.kubernetes\.io/|kubernetes\.io/metadata\.name\Z)",
                error="spawnpenny and Kubernetes give this one themselves.",
            ),
        ]
    )


def _seconds() -> fields.Float:
    return fields.Float(
        validate=validate.Range(min=0, min_inclusive=False, max=86_400, error="Seconds: above 0, at most 86400.")
    )


def _count() -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=1))


def _url(**more: Any) -> fields.Url:
    return fields.Url(schemes={"http", "https"}, require_tld=False, **more)


def _posix_id() -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(min=0, max=MAX_ID))


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError:
        raise ValidationError(f"{text!r} is no address and no network, such as 10.0.0.7 or 10.0.0.0/24.") from None


_OWN_PARTS: Final = ("/v1", "/gateway", "/api/v1", "/docs")
_OWN_PATHS: Final = frozenset({*_OWN_PARTS, "/api", "/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Paths that would not be found any more, or mean another thing, such as a probe that always succeeds."""


class _PrefixField(fields.String):
    """A path, which may end with a slash, as the Hub writes it; empty for none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        prefix: str = super()._deserialize(value, attr, data, **kwargs).rstrip("/")
        if prefix and not _PREFIX.fullmatch(prefix):
            raise ValidationError(
                "Write a path such as /services/dask-gateway, of letters, digits and . _ ~ @ -, or an empty text."
            )
        if prefix in _OWN_PATHS or prefix.startswith(tuple(f"{path}/" for path in _OWN_PARTS)):
            raise ValidationError(f"/{prefix.split('/')[1]} is the service's own.")
        return prefix


class _WebSchema(StrictSchema[WebSettings]):
    makes = WebSettings
    host = fields.String()
    port = fields.Integer(strict=True, validate=validate.Range(0, 65535))
    max_body = fields.Integer(strict=True, validate=validate.Range(1024, 256 * 1024))
    metrics = fields.Boolean()
    certificate = fields.String(allow_none=True)
    key = fields.String(allow_none=True)
    authority = fields.String(allow_none=True)
    trusted_proxies = TupleField(fields.String(validate=_check_network))
    forwarded_header = fields.String(validate=validate.OneOf(["X-Forwarded-For", "Forwarded"]))
    prefix = _PrefixField()


class _NamespaceSchema(StrictSchema[NamespaceSettings]):
    makes = NamespaceSettings
    prefix = _text(
        rf"\A[a-z0-9][-a-z0-9]{{0,{_MAX_PREFIX - 1}}}\Z",
        f"Lower case letters, digits and -, at most {_MAX_PREFIX}.",
    )
    state = _name()
    broker = _name()
    provision = _name()
    reads = fields.String(validate=validate.OneOf(["cluster", "namespace"]))


class _DeadlineSchema(StrictSchema[DeadlineSettings]):
    makes = DeadlineSettings
    spawn = _seconds()
    step = _seconds()
    stop = _seconds()
    history = _seconds()
    slow = _seconds()
    header = _seconds()
    body = _seconds()
    idle = _seconds()
    write = _seconds()


class _LimitSchema(StrictSchema[LimitSettings]):
    makes = LimitSettings
    spawning = _count()
    starts = _count()
    user_streams = _count()
    streams = _count()
    user_requests = _count()
    bodies = _count()
    connections = _count()
    address_connections = _count()


class _UserSchema(StrictSchema[UserSettings]):
    makes = UserSettings
    uid = _posix_id()
    gid = _posix_id()
    min_uid = fields.Integer(strict=True, validate=validate.Range(min=1, max=MAX_ID))


class _PodSchema(StrictSchema[PodSettings]):
    makes = PodSettings
    allow = TupleField(fields.String())
    images = TupleField(fields.String())
    host_paths = TupleField(_text(_PATH, "This is not an absolute path, without '..', such as /srv/scratch."))


class _BrokerSchema(StrictSchema[BrokerSettings]):
    makes = BrokerSettings
    separate = fields.Boolean()
    role = _name()
    account = _name()
    account_namespace = _name()
    pod_security = fields.String(validate=validate.OneOf(["restricted", "baseline", "privileged"]))
    labels = fields.Dict(keys=_key(), values=_text(_LABEL_VALUE, "This is not the value of a label."))
    annotations = fields.Dict(keys=_key(), values=fields.String())
    orders = fields.String(allow_none=True)
    namespaces = _count()
    releases = _count()
    purge = fields.Boolean()
    keep_for = TupleField(
        fields.String(
            validate=validate.Regexp(
                r"\A[a-z0-9]+(\.[-a-z0-9]+)+/v[0-9a-z]+\Z",
                error="This is not a kind as plural.group/version, such as certificates.cert-manager.io/v1.",
            )
        )
    )
    ignore = TupleField(
        fields.String(
            validate=validate.Regexp(
                r"\A\w+/\S+\Z",
                error="This is not Kind/name, such as ConfigMap/istio-ca-root-cert; * stands for any text.",
            )
        )
    )
    claims = _count()
    lease = _seconds()
    patience = _seconds()
    expire = _seconds()


class _ReplicaSchema(StrictSchema[ReplicaSettings]):
    makes = ReplicaSettings
    name = fields.String(
        allow_none=True,
        validate=validate.Regexp(
            r"\A[a-z0-9]([-.a-z0-9]{0,198}[a-z0-9])?\Z", error="Lower case letters, digits, - and ., at most 200."
        ),
    )
    certified = fields.String(allow_none=True)
    address = _url(allow_none=True)
    lease = _seconds()


class _HousekeepingSchema(StrictSchema[HousekeepingSettings]):
    makes = HousekeepingSettings
    every = _seconds()
    idle = fields.Float(validate=validate.Range(min=0, error="Seconds; 0 for never."))
    share = fields.Float(validate=validate.Range(0, 1, error="A share: from 0 to 1."))


class _GatewaySchema(StrictSchema[GatewaySettings]):
    makes = GatewaySettings
    address = _url(allow_none=True)
    proxy_address = fields.String(
        allow_none=True,
        validate=validate.Regexp(r"\A[^\s/:]+:[0-9]{1,5}\Z", error="A host and a port, such as spawnpenny:8786."),
    )
    public_address = _url(allow_none=True)
    service = _url()
    host = fields.String()
    port = fields.Integer(strict=True, validate=validate.Range(0, 65535))
    dashboard_port = fields.Integer(strict=True, validate=validate.Range(0, 65535))


class _EmbeddedSchema(StrictSchema[EmbeddedSettings]):
    makes = EmbeddedSettings
    folder = fields.String(allow_none=True)
    images = fields.Dict(keys=fields.String(), values=TupleField(fields.String(), validate=validate.Length(min=1)))


class _TokenSchema(StrictSchema[TokenSettings]):
    makes = TokenSettings
    sha256 = fields.String(
        required=True,
        validate=validate.Regexp(r"\A[0-9a-f]{64}\Z", error="This is not the SHA-256 of a token, in hex."),
    )
    scopes = TupleField(fields.String(validate=validate.OneOf(SCOPES)), required=True)
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
    replicas = fields.Nested(_ReplicaSchema)
    housekeeping = fields.Nested(_HousekeepingSchema)
    gateway = fields.Nested(_GatewaySchema)
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
    return combine(data, environ, source=path or "the environment")


def combine(data: Mapping[str, Any], environ: Mapping[str, str], *, source: str) -> Settings:
    """Make settings from what a settings file holds, and the environment over it.

    Raises:
        SettingsError: A setting is wrong.

    """
    data = _with_plugins(data)
    for keys, value in overrides(environ):
        put(data, keys, value)
    return make_settings(data, source=source, environ=environ)


def load_what_is_valid(file: str | None = None, environ: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Read the settings as ``load_settings`` does, but with the defaults of the sections that are wrong.

    Returns:
        The settings, and what is wrong with them: nothing where ``load_settings`` takes them.

    Raises:
        SettingsError: The file or the environment cannot be read at all.

    """
    environ = os.environ if environ is None else environ
    path = file or environ.get("SPAWNPENNY_SETTINGS")
    data = _with_plugins(read_yaml(Path(path)) if path else {})
    for keys, value in overrides(environ):
        put(data, keys, value)
    wrong: list[str] = []
    source = path or "the environment"
    for rest in (data, without(_SettingsSchema(), data)):
        try:
            return make_settings(rest, source=source, environ=environ), wrong
        except SettingsError as error:
            wrong.append(error.message)
    return Settings(plugins=_plugins(data)), wrong


def _plugins(data: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    sections = data.get("plugins")
    known = sections.items() if isinstance(sections, Mapping) else ()
    return {str(name): section or {} for name, section in known if isinstance(section or {}, Mapping)}


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
    settings = load_strict(_SettingsSchema(), _with_plugins(data), "", source, environ)
    if settings.users.uid < settings.users.min_uid:
        raise SettingsError(
            f"users.uid is {settings.users.uid}, below users.min_uid ({settings.users.min_uid}), in {source}."
        )
    return settings


def _with_plugins(data: Mapping[str, Any]) -> dict[str, Any]:
    """Load the standard plugins that are installed, where there is no section ``plugins``: a site may leave one out."""
    if "plugins" in data:
        return dict(data)
    installed = {entry.name for entry in entry_points(group=PLUGIN_GROUP)}
    return {**data, "plugins": {name: {} for name in STANDARD_PLUGINS if name in installed}}
