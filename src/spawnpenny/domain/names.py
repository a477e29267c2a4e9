"""Valid names of callers, and the Kubernetes names that they map to.

The safe slug is KubeSpawner's scheme (``kubespawner.slugs.safe_slug(name, max_length=48)``): a name that is a valid DNS
label without ``--`` and begins with a letter stays as it is; every other one becomes its letters and digits, cut, with
``x-`` before a digit, then ``---`` and 8 hex digits of the SHA-256 of the true name.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from spawnpenny.errors import InvalidNameError

DEFAULT_LAB: Final = "~default"
MAX_USERNAME: Final = 255
MAX_LAB: Final = 63
MAX_CLUSTER: Final = 51
"""What a proxy that routes by a server name leaves of the 63 characters of a DNS label, after a prefix of 12."""
MAX_SLUG: Final = 48
"""KubeSpawner's limit: a slug fits into a label, together with a prefix."""

_LABEL: Final = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
_UNSAFE: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
HASH_LENGTH: Final = 8
MAX_OWN_CLUSTER: Final = MAX_SLUG - len("-") - HASH_LENGTH
"""The length of the name that a user gives to a cluster: the rest of the slug is a hash, unique among all users."""
OWN_NAME: Final = (
    f"1 to {MAX_OWN_CLUSTER} lower-case letters, digits and single hyphens, a letter first and no hyphen last"
)
"""The rule for a name that ``own_cluster_name`` makes unique, as the rest of a sentence."""
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp"})

INVISIBLE: Final = (
    "\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u180e\\u200b-\\u200f"
    "\\u2028-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufeff\\ufff9-\\ufffb"
)
"""The control and invisible characters of Unicode's first plane, as a regular expression has them between brackets."""
NAME_PATTERN: Final = rf"^(?!\.\.?$)[^/{INVISIBLE}]+$"
"""The pattern of names for JSON Schema; ``check_username`` knows the characters of the other planes, too."""


def safe_slug(name: str, *, max_length: int = MAX_SLUG) -> str:
    """Return a DNS label for any name: equal for equal names, and different for others but for hash collisions."""
    if "--" not in name and len(name) <= max_length and _LABEL.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:HASH_LENGTH]
    return f"{readable(name, max_length - HASH_LENGTH - len('---'))}---{digest}"


def readable(name: str, room: int) -> str:
    """Return the readable part of a name for a DNS label, up to a length: never empty, not unique."""
    text = _UNSAFE.sub("-", name.lower()).lstrip("-")[:room].rstrip("-")
    return f"x-{text[: room - 2]}" if text[:1].isdigit() else text or "x"


def has_invisible(text: str) -> bool:
    """Return whether a text has control or invisible characters, such as those that turn the writing direction."""
    return not text.isprintable() and any(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES for character in text
    )


def check_username(name: str) -> str:
    """Return the username if it may be used; it may hold unicode, ``@`` and capitals.

    Raises:
        InvalidNameError: It is empty, too long, ``.`` or ``..``, or holds ``/`` or control characters.

    """
    return _check(name, "username", MAX_USERNAME)


def check_lab(name: str) -> str:
    """Return the lab's name if it may be used, as ``check_username`` does; ``~default`` is the default lab."""
    return _check(name, "lab", MAX_LAB)


def check_cluster(name: str) -> str:
    """Return the name of a cluster if it may be one, as ``check_username`` does."""
    return _check(name, "cluster", MAX_CLUSTER)


def check_spawn_name(name: str, field: str, *, unique: bool = False) -> str:
    """Return the name of a spawn if it may be one, as ``check_username`` does; ``unique``: among all users."""
    return _check(name, field, MAX_CLUSTER if unique else MAX_LAB)


def cluster_name(username: str, start: str) -> str:
    """Return the name of the cluster of a start: a DNS label that no other start has."""
    return f"c{hashlib.sha256(f'{username}/{start}'.encode()).hexdigest()[:20]}"


def own_cluster_name(username: str, name: str) -> str:
    """Return the unique name of a cluster that its user has named; no other user's cluster has it.

    Proxies route by it for all users. It is its own slug, as they find a cluster by the label of its pods.
    """
    digest = hashlib.sha256(f"{username}/{name}".encode()).hexdigest()[:HASH_LENGTH]
    return f"{name}-{digest}"


def is_own_cluster_name(name: str) -> bool:
    """Return whether users may give this name to a cluster."""
    return len(name) <= MAX_OWN_CLUSTER and "--" not in name and _LABEL.fullmatch(name) is not None


def _check(name: str, field: str, max_length: int) -> str:
    if not name:
        raise InvalidNameError(f"The {field} is empty.", field=field)
    if len(name) > max_length:
        raise InvalidNameError(f"The {field} has {len(name)} characters; at most {max_length} are taken.", field=field)
    if name in {".", ".."}:
        raise InvalidNameError(f"The {field} may not be {name!r}.", field=field)
    if "/" in name:
        raise InvalidNameError(f"The {field} may not hold a slash.", field=field)
    if has_invisible(name):
        raise InvalidNameError(f"The {field} may not hold control or invisible characters.", field=field)
    return name


@dataclass(frozen=True, slots=True)
class Names:
    """The Kubernetes names of one spawn. Everything is derived; nothing is looked up.

    ``namespace`` is the user's, ``user`` and ``lab`` are slugs (label values; the default lab's is empty),
    ``base`` begins the name of each object that belongs to this lab alone.
    """

    namespace: str
    user: str
    lab: str
    base: str

    def own(self, suffix: str) -> str:
        """Return the name of a further object of this spawn. No other lab has it, as no slug contains a dot."""
        return f"{self.base}.{suffix}"

    @classmethod
    def of(cls, username: str, kind: str, name: str, *, prefix: str) -> Names:
        """Return the names of a spawn, by its user, kind and name."""
        user = safe_slug(username)
        lab = "" if name == DEFAULT_LAB else safe_slug(name) if name else ""
        base = f"{kind}-{lab}" if lab else kind
        return cls(namespace=f"{prefix}{user}", user=user, lab=lab, base=base)
