"""Keys and certificates in PEM, in a request."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import fields

PRIVATE_KEY: Final = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
CERTIFICATE: Final = ("CERTIFICATE",)


class PemField(fields.Field[str]):
    """One PEM block with one of the labels, or several with ``many``, and nothing else.

    It may be secret: no message quotes it.
    """

    def __init__(self, labels: tuple[str, ...], *, most: int, many: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        label = "|".join(labels)
        block = rf"-----BEGIN (?P<label>{label})-----\r?\n(?:[A-Za-z0-9+/=]+\r?\n)+-----END (?P=label)-----\s*"
        self._form = re.compile(rf"\s*(?:{block}){'+' if many else ''}", re.ASCII)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or len(value) > self._most or not self._form.fullmatch(value):
            raise self.make_error("invalid")
        return value
