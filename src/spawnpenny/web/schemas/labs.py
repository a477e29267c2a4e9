"""Requests about labs: the body and the query of a start, the query of a stop."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from spawnpenny.domain.spawns import MAX_CLIENT, MAX_ENV_BYTES, SpawnRequest, Tls
from spawnpenny.web.schemas.fields import (
    MAX_WAIT,
    EnvField,
    OptionsField,
    QuerySecondsField,
    SecondsField,
    purge_field,
    start_field,
)
from spawnpenny.web.schemas.incoming import BodySchema, IncomingSchema, QuerySchema, field_messages, json_bytes
from spawnpenny.web.schemas.pem import CERTIFICATE, PRIVATE_KEY, PemField

_CLIENT: Final = f"a name of 1 to {MAX_CLIENT} printable characters"
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


def _printable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError(f"has to be {_CLIENT}.")


class LabBody(BodySchema[SpawnRequest]):
    """The body of a request to start a lab."""

    model: ClassVar[type] = SpawnRequest
    example: ClassVar[dict[str, Any]] = {
        "start": "9f1c2ab7",
        "options": {"size": "small", "image": "default"},
        "env": {"JUPYTER_TOKEN": "a secret of your own"},
        "timeout_s": 300,
    }
    start = start_field(required=True)
    options = OptionsField(metadata={"type": "object", "description": "The user's choices, such as size and image."})
    env = EnvField(
        metadata={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "writeOnly": True,
            "description": "The environment variables of the lab. No answer contains them.",
        }
    )
    tls = fields.Nested(
        TlsSchema,
        error_messages=field_messages(_TLS),
        metadata={
            "writeOnly": True,
            "description": "The key and the certificates for TLS, in PEM. No answer contains them.",
        },
    )
    timeout = SecondsField(
        10,
        86_400,
        data_key="timeout_s",
        metadata={
            "description": "How many seconds the caller waits. The service gives up 5 seconds earlier, to say why."
        },
    )
    client = fields.String(
        validate=[validate.Length(1, MAX_CLIENT), _printable],
        error_messages=field_messages(_CLIENT),
        metadata={
            "description": "The name of the caller's program, if several programs use one token: a Hub sends its URL. "
            "Only the same program can replace this start."
        },
    )

    @validates_schema
    def _check_secrets(self, data: dict[str, Any], **kwargs: Any) -> None:
        tls: Tls | None = data.get("tls")
        if tls is not None and json_bytes(data.get("env", {})) + json_bytes(asdict(tls)) > MAX_ENV_BYTES:
            raise ValidationError(f"is larger than {MAX_ENV_BYTES} bytes of JSON, together with env.", "tls")


@dataclass(frozen=True, slots=True)
class StartQuery:
    replace: bool = False


class StartQuerySchema(QuerySchema[StartQuery]):
    model: ClassVar[type] = StartQuery
    replace = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        error_messages=field_messages("true or false"),
        metadata={
            "description": "First stop another start of this lab, if the same caller made it, instead of refusing."
        },
    )


@dataclass(frozen=True, slots=True)
class StopQuery:
    wait: float = 0
    start: str | None = None
    purge: str | None = None


class StopQuerySchema(QuerySchema[StopQuery]):
    model: ClassVar[type] = StopQuery
    wait = QuerySecondsField(
        0, MAX_WAIT, metadata={"description": "Answer when the lab is gone, or after this many seconds."}
    )
    start = start_field(required=False)
    purge = purge_field("also delete the volume claim that only this lab uses")
