"""Types of settings: Python types with the marshmallow field that checks them, for ``schema_of``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.domain.users import MAX_ID
from spawnpenny.settings.fields import TupleField

_MAX_PREFIX: Final = 15
_LABEL_KEY: Final = (
    r"\A(?=[^/]{1,253}/)?(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z"
)
_PREFIX: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@-]+)+", re.ASCII)
_PATH: Final = r"\A/(?:(?!\.{1,2}(?:/|\Z))[^/]+(?:/(?!\.{1,2}(?:/|\Z))[^/]+)*)?\Z"
_LABEL_VALUE: Final = r"\A(?:[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?\Z"
_OWN_PARTS: Final = ("/v1", "/gateway", "/api/v1", "/docs")
_OWN_PATHS: Final = frozenset({*_OWN_PARTS, "/api", "/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Paths of the service that a prefix would hide, such as those of probes."""


def matching(pattern: str, error: str) -> fields.String:
    """Return a field for texts that match a pattern. ``error`` describes a right value."""
    return fields.String(validate=validate.Regexp(pattern, error=error))


def one_of(*choices: str) -> fields.String:
    """Return a field for one of these texts."""
    return fields.String(validate=validate.OneOf(choices))


def whole(least: int, most: int | None = None) -> fields.Integer:
    """Return a field for whole numbers within bounds."""
    return fields.Integer(strict=True, validate=validate.Range(least, most))


class _PrefixField(fields.String):
    """A path, or an empty text. It may end with a slash, as the Hub writes it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        prefix: str = super()._deserialize(value, attr, data, **kwargs).rstrip("/")
        if prefix and not _PREFIX.fullmatch(prefix):
            raise ValidationError(
                "Write a path such as /services/spawnpenny, of letters, digits and . _ ~ @ -, or an empty text."
            )
        if prefix in _OWN_PATHS or prefix.startswith(tuple(f"{path}/" for path in _OWN_PARTS)):
            raise ValidationError(f"/{prefix.split('/')[1]} is a path of the service itself.")
        return prefix


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError:
        raise ValidationError(f"{text!r} is not an address or a network, such as 10.0.0.7 or 10.0.0.0/24.") from None


def _label_key() -> fields.String:
    """Return a field for keys of labels or annotations that the site may set on user namespaces."""
    return fields.String(
        validate=[
            validate.Regexp(
                _LABEL_KEY, error="This is not the key of a label or annotation, such as example.org/team."
            ),
            validate.Regexp(
                r"(?!spawnpenny\.io/|pod-security\.kubernetes\.io/|kubernetes\.io/metadata\.name\Z)",
                error="spawnpenny and Kubernetes set this one themselves.",
            ),
        ]
    )


_NAME: Final = (
    r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z",
    "This is not a Kubernetes name: lower case letters, digits and -.",
)

Name = Annotated[str, matching(*_NAME)]
NamePrefix = Annotated[
    str,
    matching(
        rf"\A[a-z0-9][-a-z0-9]{{0,{_MAX_PREFIX - 1}}}\Z", f"Lower case letters, digits and -, at most {_MAX_PREFIX}."
    ),
]
ReplicaName = Annotated[
    str, matching(r"\A[a-z0-9]([-.a-z0-9]{0,198}[a-z0-9])?\Z", "Lower case letters, digits, - and ., at most 200.")
]
Seconds = Annotated[
    float,
    fields.Float(
        validate=validate.Range(min=0, min_inclusive=False, max=86_400, error="Seconds: above 0, at most 86400.")
    ),
]
Count = Annotated[int, whole(1)]
Port = Annotated[int, whole(0, 65535)]
PosixId = Annotated[int, whole(0, MAX_ID)]
HttpUrl = Annotated[str, fields.Url(schemes={"http", "https"}, require_tld=False)]
Address = Annotated[str, matching(r"\A[^\s/:]+:[0-9]{1,5}\Z", "A host and a port, such as spawnpenny:8786.")]
Network = Annotated[str, fields.String(validate=_check_network)]
UrlPath = Annotated[str, _PrefixField()]
FilePath = Annotated[str, matching(_PATH, "This is not an absolute path, without '..', such as /srv/scratch.")]
KindName = Annotated[
    str,
    matching(
        r"\A[a-z0-9]+(\.[-a-z0-9]+)+/v[0-9a-z]+\Z",
        "This is not a kind as plural.group/version, such as certificates.cert-manager.io/v1.",
    ),
]
ObjectPattern = Annotated[
    str,
    matching(r"\A\w+/\S+\Z", "This is not Kind/name, such as ConfigMap/istio-ca-root-cert; * stands for any text."),
]
Labels = Annotated[
    Mapping[str, str],
    fields.Dict(keys=_label_key(), values=matching(_LABEL_VALUE, "This is not the value of a label.")),
]
Annotations = Annotated[Mapping[str, str], fields.Dict(keys=_label_key(), values=fields.String())]
Sha256 = Annotated[str, matching(r"\A[0-9a-f]{64}\Z", "This is not the SHA-256 of a token, in hex.")]
Commands = Annotated[
    Mapping[str, tuple[str, ...]],
    fields.Dict(keys=fields.String(), values=TupleField(fields.String(), validate=validate.Length(min=1))),
]
Sections = Annotated[
    Mapping[str, Mapping[str, Any]], fields.Dict(keys=matching(*_NAME), values=fields.Dict(allow_none=True))
]
