"""The settings of the jupyterhub plugin: the address of the Hub's API, and the rights of its users here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from marshmallow import fields, validate

from spawnpenny.api import SCOPES, schema_of

MAX_CACHE: Final = 60.0
"""The longest time in seconds for which an answer of the Hub is cached, and a revoked token still accepted."""


Scopes = tuple[Annotated[str, fields.String(validate=validate.OneOf(SCOPES))], ...]


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The address of the Hub's API, and the rights of its users here.

    ``service`` is our name among the Hub's services; a token needs access to it. ``scopes`` are the scopes of every
    such token, ``grants`` further ones by a scope of the Hub. ``cache`` and ``timeout`` are in seconds.
    """

    api_url: Annotated[
        str,
        fields.Url(
            schemes={"http", "https"},
            require_tld=False,
            error_messages={
                "required": "Set the address of the Hub's API, such as http://hub.jupyterhub.svc:8081/hub/api.",
                "invalid": "This is not an address, such as http://hub.jupyterhub.svc:8081/hub/api.",
            },
        ),
    ]
    service: Annotated[
        str,
        fields.String(
            validate=validate.Regexp(r"\A[\w.@~-]+\Z", error="This is not the name of a service of JupyterHub.")
        ),
    ] = "spawnpenny"
    scopes: Scopes = ("read:self",)
    grants: Mapping[Annotated[str, fields.String(validate=validate.Length(min=1))], Scopes] = field(
        default_factory=dict
    )
    authority: str | None = None
    cache: Annotated[
        float, fields.Float(validate=validate.Range(0, MAX_CACHE, error=f"Seconds: 0 to {MAX_CACHE:g}."))
    ] = MAX_CACHE
    timeout: Annotated[float, fields.Float(validate=validate.Range(0.1, 30, error="Seconds: 0.1 to 30."))] = 5.0


HubSettingsSchema: Final = schema_of(HubSettings)
