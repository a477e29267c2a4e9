"""The slug that KubeSpawner gives a profile that says none."""

from __future__ import annotations

import re
import unicodedata
from html.entities import name2codepoint
from typing import Final

_ENTITY: Final = re.compile(f"&({'|'.join(name2codepoint)});")
_CODE: Final = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,6})|([0-9]{1,7}));", re.ASCII)
_THOUSANDS: Final = re.compile(r"(?<=[0-9]),(?=[0-9])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def slugify(text: str) -> str:
    """Return what python-slugify makes of a text in ASCII, or in letters with accents.

    Raises:
        ValueError: It is in another script, or has nothing that a slug could be of.

    """
    text = _ENTITY.sub(lambda match: chr(name2codepoint[match[1]]), text)
    text = unicodedata.normalize("NFKD", text.replace("'", "-"))
    plain = "".join(each for each in text if unicodedata.category(each) != "Mn")
    slug = _OTHER.sub("-", _THOUSANDS.sub("", plain.lower())).strip("-")
    if not plain.isascii() or not slug:
        raise ValueError("no slug can be made of this")
    return slug
