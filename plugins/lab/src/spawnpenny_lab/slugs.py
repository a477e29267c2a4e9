"""The slug that KubeSpawner gives a profile without one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ENTITY: Final = re.compile(r"&#?[A-Za-z0-9]+;")
_ACCENT: Final = re.compile("[\u0300-\u034e]")
_PUNCTUATION: Final = str.maketrans(dict.fromkeys("\u2018\u2019", "") | dict.fromkeys("\u201c\u201d\u2013\u2014", "-"))
_THOUSANDS: Final = re.compile(r"(?<=[0-9]),(?=[0-9])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def slugify(text: str) -> str:
    """Return what python-slugify, which KubeSpawner uses, makes of a text in Latin letters, with or without accents.

    Raises:
        ValueError: It has others, or HTML entities, or nothing that a slug could be made of.

    """
    letters = unicodedata.normalize("NFKD", text.replace("'", "-"))
    plain = _ACCENT.sub("", letters).translate(_PUNCTUATION)
    slug = _OTHER.sub("-", _THOUSANDS.sub("", plain.lower())).strip("-")
    if not plain.isascii() or _ENTITY.search(plain) or not slug:
        raise ValueError(f"no slug can be made of {text!r}")
    return slug
