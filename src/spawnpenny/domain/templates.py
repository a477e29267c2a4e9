"""Templates: texts with fields in braces, which become the names and values of one lab.

The fields are KubeSpawner's, with its slugs (``kubespawner.slugs``), so that the names of a site that moves stay as
they are. ``{{`` and ``}}`` stand for braces.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.domain.names import DEFAULT_LAB, HASH_LENGTH, MAX_SLUG, Names, readable, safe_slug

FIELDS: Final = (
    "username",
    "servername",
    "user_server",
    "safe_username",
    "safe_servername",
    "safe_user_server",
    "escaped_username",
    "escaped_servername",
    "escaped_user_server",
    "unescaped_username",
    "unescaped_servername",
    "namespace",
    "pod_name",
)
SERVER_FIELDS: Final = frozenset(
    {
        "servername",
        "user_server",
        "safe_servername",
        "safe_user_server",
        "escaped_servername",
        "escaped_user_server",
        "unescaped_servername",
        "pod_name",
    }
)
"""Fields that differ between the labs of a user."""
_AS_WRITTEN: Final = frozenset({"unescaped_username", "unescaped_servername"})
_UNESCAPED: Final = frozenset(string.ascii_lowercase + string.digits)


def template_fields(username: str, lab: str, names: Names) -> dict[str, str]:
    """Return the values of the fields of a template for a lab; the name of the default lab is empty."""
    server = "" if lab == DEFAULT_LAB else lab
    user_server = _user_server(username, server)
    safe = {"username": safe_slug(username), "servername": safe_slug(server) if server else ""}
    escaped = {"username": _escape(username), "servername": _escape(server)}
    return {
        **safe,
        "user_server": user_server,
        "safe_username": safe["username"],
        "safe_servername": safe["servername"],
        "safe_user_server": user_server,
        "escaped_username": escaped["username"],
        "escaped_servername": escaped["servername"],
        "escaped_user_server": f"{escaped['username']}--{escaped['servername']}",
        "unescaped_username": username,
        "unescaped_servername": server,
        "namespace": names.namespace,
        "pod_name": names.base,
    }


def expand(template: str, fields: Mapping[str, str], *, trim: bool = True) -> str:
    """Return a template with its fields filled in.

    A ``-`` at the end that comes from an empty field is removed, as in KubeSpawner, unless ``trim=False``. A ``-`` of
    an unescaped name stays, as the name without it may be another user's.

    Raises:
        ValueError: It names an unknown field.

    """
    parts: list[tuple[str, bool]] = []
    for literal, field in _parse(template):
        parts.append((literal, False))
        if field is not None:
            if field not in fields:
                raise ValueError(f"there is no field {{{field}}}; there are {', '.join(sorted(fields))}")
            parts.append((fields[field], field in _AS_WRITTEN))
    return _trimmed(parts) if trim and not template.endswith("-") else "".join(text for text, _ in parts)


def expand_all(value: Any, fields: Mapping[str, str], *, trim: bool = True) -> Any:
    """Return JSON data with every text in it expanded, but for the keys."""
    if isinstance(value, str):
        return expand(value, fields, trim=trim)
    if isinstance(value, Mapping):
        return {key: expand_all(inner, fields, trim=trim) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [expand_all(inner, fields, trim=trim) for inner in value]
    return value


def fields_of(template: str) -> frozenset[str]:
    """Return the fields that a template names.

    Raises:
        ValueError: A brace is open, or a field is more than a name, or there is no such field.

    """
    named = frozenset(field for _, field in _parse(template) if field is not None)
    if unknown := sorted(named - set(FIELDS)):
        raise ValueError(f"there is no field {{{unknown[0]}}}; there are {', '.join(FIELDS)}")
    return named


def _trimmed(parts: list[tuple[str, bool]]) -> str:
    """Join texts, and remove ``-`` at the end; marked texts are not changed."""
    while parts:
        text, as_written = parts.pop()
        kept = text if as_written else text.rstrip("-")
        if kept:
            return "".join(text for text, _ in parts) + kept
    return ""


def _parse(template: str) -> list[tuple[str, str | None]]:
    parts = []
    for literal, field, spec, conversion in string.Formatter().parse(template):
        if field is not None and (spec or conversion or not field.isidentifier()):
            raise ValueError(f"a field is a name in braces, not {{{field}}} with more to it; write {{{{ for a brace")
        parts.append((literal, field))
    return parts


def _user_server(username: str, server: str) -> str:
    """Name a user and a server together, never longer than a slug: joined, or cut with one hash of both."""
    user, safe = safe_slug(username), safe_slug(server) if server else ""
    if len(user) + len(safe) + len("--") > MAX_SLUG:
        return _multi_slug(username, server)
    return f"{user}--{safe}" if server else user


def _multi_slug(*names: str) -> str:
    digest = hashlib.sha256(b"\xff".join(name.encode() for name in names)).hexdigest()[:HASH_LENGTH]
    room = (MAX_SLUG - HASH_LENGTH - 1) // len(names) - len("--")
    return f"{'--'.join(readable(name, room) for name in names)}---{digest}"


def _escape(name: str) -> str:
    """Return KubeSpawner's older slug: what is no lower case letter or digit becomes ``-`` and its bytes in hex."""
    return "".join(char if char in _UNESCAPED else "".join(f"-{byte:x}" for byte in char.encode()) for char in name)
