"""The settings of the oidc plugin: the provider whose tokens are accepted, and the claims to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate, validates_schema

from spawnpenny.api import MAX_ID, SCOPES, StrictSchema, TupleField

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
)
"""Algorithms with a public key. With a shared secret, as in HS256, everyone who checks tokens could make one."""


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """The claims with the user's properties; None if the provider has no such claim."""

    username: str = "preferred_username"
    uid: str | None = None
    gid: str | None = None
    groups: str | None = None


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The provider whose tokens are accepted, and the claims to read.

    The keys come from ``jwks_file`` or ``jwks_uri``, else from the address in the provider's own description.
    ``required`` are claims that a token needs, ``gids`` the numbers of groups that tokens list only by name.
    ``refresh``, ``leeway`` and ``timeout`` are in seconds.
    """

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    jwks_uri: str | None = None
    jwks_file: str | None = None
    authority: str | None = None
    claims: ClaimSettings = ClaimSettings()
    lowercase: bool = False
    gids: Mapping[str, int] = field(default_factory=dict)
    required: Mapping[str, Any] = field(default_factory=dict)
    scopes: tuple[str, ...] = ("spawn:self",)
    refresh: float = 3600.0
    leeway: float = 30.0
    timeout: float = 5.0


class _ClaimSchema(StrictSchema[ClaimSettings]):
    model = ClaimSettings
    username = fields.String(validate=validate.Length(min=1))
    uid = fields.String(allow_none=True, validate=validate.Length(min=1))
    gid = fields.String(allow_none=True, validate=validate.Length(min=1))
    groups = fields.String(allow_none=True, validate=validate.Length(min=1))


def _https(url: str) -> None:
    if not (url.startswith("https://") and urlsplit(url).hostname):
        raise ValidationError(
            "This has to begin with https://: otherwise, anybody on the network could insert their own keys."
        )


class OidcSettingsSchema(StrictSchema[OidcSettings]):
    model = OidcSettings
    issuer = fields.String(
        required=True,
        validate=validate.Length(min=1),
        error_messages={
            "required": "Set the issuer of accepted tokens: the claim iss, such as https://login.example.org."
        },
    )
    audience = TupleField(
        fields.String(validate=validate.Length(min=1)),
        required=True,
        validate=validate.Length(min=1, error="Name at least one audience."),
        error_messages={"required": "Set the audiences of accepted tokens: a list of values of the claim aud."},
    )
    algorithms = TupleField(
        fields.String(
            validate=validate.OneOf(ALGORITHMS, error="Not an algorithm with a public key: {choices}."),
        ),
        validate=validate.Length(min=1, error="Name at least one algorithm."),
    )
    jwks_uri = fields.String(allow_none=True, validate=_https)
    jwks_file = fields.String(allow_none=True)
    authority = fields.String(allow_none=True)
    claims = fields.Nested(_ClaimSchema)
    lowercase = fields.Boolean()
    gids = fields.Dict(
        keys=fields.String(), values=fields.Integer(strict=True, validate=validate.Range(min=1, max=MAX_ID))
    )
    required = fields.Dict(keys=fields.String())
    scopes = TupleField(fields.String(validate=validate.OneOf(SCOPES)))
    refresh = fields.Float(validate=validate.Range(60, 86_400, error="Seconds: 60 to 86400."))
    leeway = fields.Float(validate=validate.Range(0, 120, error="Seconds: 0 to 120."))
    timeout = fields.Float(validate=validate.Range(0.1, 30, error="Seconds: 0.1 to 30."))

    @validates_schema
    def _one_source(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("jwks_uri") and data.get("jwks_file"):
            raise ValidationError("Name one of jwks_uri and jwks_file, not both.", "jwks_file")
        if not (data.get("jwks_uri") or data.get("jwks_file")) and "issuer" in data:
            try:
                _https(data["issuer"])
            except ValidationError as error:
                raise ValidationError(error.messages, "issuer") from None
