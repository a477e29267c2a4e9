"""The settings of the oidc plugin: the provider whose tokens are accepted, and the claims to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import MAX_ID, SCOPES, TupleField, schema_of

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
)
"""Algorithms with a public key. With a shared secret, as in HS256, everyone who checks tokens could make one."""


Text = Annotated[str, fields.String(validate=validate.Length(min=1))]


def _https(url: str) -> None:
    if not (url.startswith("https://") and urlsplit(url).hostname):
        raise ValidationError(
            "This has to begin with https://: otherwise, anybody on the network could insert their own keys."
        )


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """The claims with the user's properties; None if the provider has no such claim."""

    username: Text = "preferred_username"
    uid: Text | None = None
    gid: Text | None = None
    groups: Text | None = None


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The provider whose tokens are accepted, and the claims to read.

    The keys come from ``jwks_file`` or ``jwks_uri``, else from the address in the provider's own description.
    ``required`` are claims that a token needs, ``gids`` the numbers of groups that tokens list only by name.
    ``refresh``, ``leeway`` and ``timeout`` are in seconds.
    """

    issuer: Annotated[
        str,
        fields.String(
            validate=validate.Length(min=1),
            error_messages={
                "required": "Set the issuer of accepted tokens: the claim iss, such as https://login.example.org."
            },
        ),
    ]
    audience: Annotated[
        tuple[str, ...],
        TupleField(
            fields.String(validate=validate.Length(min=1)),
            validate=validate.Length(min=1, error="Name at least one audience."),
            error_messages={"required": "Set the audiences of accepted tokens: a list of values of the claim aud."},
        ),
    ]
    algorithms: Annotated[
        tuple[str, ...],
        TupleField(
            fields.String(validate=validate.OneOf(ALGORITHMS, error="Not an algorithm with a public key: {choices}.")),
            validate=validate.Length(min=1, error="Name at least one algorithm."),
        ),
    ] = ("RS256", "ES256")
    jwks_uri: Annotated[str, fields.String(validate=_https)] | None = None
    jwks_file: str | None = None
    authority: str | None = None
    claims: ClaimSettings = ClaimSettings()
    lowercase: bool = False
    gids: Mapping[str, Annotated[int, fields.Integer(strict=True, validate=validate.Range(1, MAX_ID))]] = field(
        default_factory=dict
    )
    required: Mapping[str, Any] = field(default_factory=dict)
    scopes: tuple[Annotated[str, fields.String(validate=validate.OneOf(SCOPES))], ...] = ("spawn:self",)
    refresh: Annotated[float, fields.Float(validate=validate.Range(60, 86_400, error="Seconds: 60 to 86400."))] = 3600.0
    leeway: Annotated[float, fields.Float(validate=validate.Range(0, 120, error="Seconds: 0 to 120."))] = 30.0
    timeout: Annotated[float, fields.Float(validate=validate.Range(0.1, 30, error="Seconds: 0.1 to 30."))] = 5.0

    def __post_init__(self) -> None:
        if self.jwks_uri and self.jwks_file:
            raise ValidationError("Name one of jwks_uri and jwks_file, not both.", "jwks_file")
        if not (self.jwks_uri or self.jwks_file):
            try:
                _https(self.issuer)
            except ValidationError as error:
                raise ValidationError(error.messages, "issuer") from None


OidcSettingsSchema: Final = schema_of(OidcSettings)
