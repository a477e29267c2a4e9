"""KubeSpawner's other slugs: of two names together, of a label's value, and those of before version 7.

``names.safe_slug`` is the one that names what belongs to a user.
"""

from __future__ import annotations

import hashlib
import re
import string
from typing import Final

from spawnpenny.domain.names import HASH_LENGTH, MAX_SLUG, readable_part, safe_slug, strip_and_hash

_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_MAX_HASHED_LABEL: Final = 32
_ESCAPED_AS_THEY_ARE: Final = frozenset(string.ascii_lowercase + string.digits)


def label_slug(name: str) -> str:
    """Return a label's value for any name: itself where it is one (capitals, dots and underscores stay)."""
    if not name or ("--" not in name and _LABEL_VALUE.fullmatch(name)):
        return name
    return strip_and_hash(name, max_length=_MAX_HASHED_LABEL)


def multi_slug(first: str, second: str, *, max_length: int = MAX_SLUG) -> str:
    """Return one slug of two names with one hash, ``{first}--{second}---{hash}``; other pairs have other slugs."""
    digest = hashlib.sha256(first.encode() + b"\xff" + second.encode()).hexdigest()[:HASH_LENGTH]
    room = (max_length - HASH_LENGTH - 1) // 2 - len("--")
    return f"{readable_part(first, room)}--{readable_part(second, room)}---{digest}"


def joined_slug(first: str, second: str) -> str:
    """Return ``{first}--{second}`` of the safe slugs, or one slug with one hash where that is too long."""
    slugs = safe_slug(first), safe_slug(second) if second else ""
    if len(slugs[0]) + len(slugs[1]) + len("--") > MAX_SLUG:
        return multi_slug(first, second)
    return "--".join(slug for slug in slugs if slug)


def escape_slug(name: str) -> str:
    """Return the slug of KubeSpawner before version 7: what is no lower case letter or digit, as ``-`` and hex."""
    return "".join(
        character if character in _ESCAPED_AS_THEY_ARE else "".join(f"-{byte:x}" for byte in character.encode())
        for character in name
    )
