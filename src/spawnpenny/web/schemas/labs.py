"""Requests about labs: what they have beside requests about spawns of any kind."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validates_schema

from spawnpenny.domain.spawns import MAX_ENV_BYTES, Tls
from spawnpenny.web.schemas.fields import purge_field
from spawnpenny.web.schemas.incoming import IncomingSchema, field_messages, json_bytes
from spawnpenny.web.schemas.pem import CERTIFICATE, PRIVATE_KEY, PemField
from spawnpenny.web.schemas.spawns import SpawnBody, StopQuerySchema

_TLS: Final = "an object with key, cert and ca"


def _pem(labels: tuple[str, ...], expected: str, *, many: bool = False) -> PemField:
    return PemField(labels, most=MAX_ENV_BYTES, many=many, required=True, error_messages=field_messages(expected))


class TlsSchema(IncomingSchema[Tls]):
    """The private key and the certificate of a lab, and the authorities that the lab trusts."""

    model: ClassVar[type] = Tls
    error_messages = field_messages(_TLS)
    key = _pem(PRIVATE_KEY, "one unencrypted private key in PEM")
    cert = _pem(CERTIFICATE, "the certificate of that key in PEM, with the certificates that sign it", many=True)
    ca = _pem(CERTIFICATE, "the certificates of the authorities that the lab trusts, in PEM", many=True)


class LabBody(SpawnBody):
    """The body of a request to start a lab."""

    example: ClassVar[dict[str, Any]] = {
        "start": "9f1c2ab7",
        "options": {"size": "small", "image": "default"},
        "env": {"JUPYTER_TOKEN": "a secret of your own"},
        "timeout_s": 300,
    }
    tls = fields.Nested(
        TlsSchema,
        error_messages=field_messages(_TLS),
        metadata={
            "writeOnly": True,
            "description": "The key and the certificates for TLS, in PEM. No answer contains them.",
        },
    )

    @validates_schema
    def _check_secrets(self, data: dict[str, Any], **kwargs: Any) -> None:
        tls: Tls | None = data.get("tls")
        if tls is not None and json_bytes(data.get("env", {})) + json_bytes(asdict(tls)) > MAX_ENV_BYTES:
            raise ValidationError(f"is larger than {MAX_ENV_BYTES} bytes of JSON, together with env.", "tls")


class StopLabQuerySchema(StopQuerySchema):
    purge = purge_field("also delete the volume claim that only this lab uses")
