"""Templates with the names of a spawn in them, as KubeSpawner 7 has them: ``claim-{user_server}``.

What a template may name is a fixed table; a value is put in once and never read as a template itself, so a user's
name can bring in no field. Braces that are meant are doubled.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Final

from spawnpenny.domain.names import DEFAULT_LAB, Names, safe_slug
from spawnpenny.domain.slugs import escape_slug, joined_slug
from spawnpenny.domain.users import User

SLUG_SCHEMES: Final = ("safe", "escape")
TEMPLATE_FIELDS: Final = (
    "username",
    "servername",
    "user_server",
    "unescaped_username",
    "unescaped_servername",
    "safe_username",
    "safe_servername",
    "safe_user_server",
    "escaped_username",
    "escaped_servername",
    "escaped_user_server",
    "pod_name",
    "namespace",
    "uid",
    "gid",
)
_ELSEWHERE: Final = {
    "pvc_name": "the plugin storage names the claim, and adds its volume and mount by itself",
    "hubnamespace": "the Hub's namespace is not known here: write its name",
    "userid": "the Hub's number of a user is not known here; {uid} is the user's POSIX id",
}


def check_template(text: str, fields: tuple[str, ...] = TEMPLATE_FIELDS) -> None:
    """Refuse a template that names what there is not.

    Raises:
        ValueError: Which field, and which there are.

    """
    for name in _fields_in(text):
        if name not in fields:
            nearest = difflib.get_close_matches(name, fields, n=1)
            hint = _ELSEWHERE.get(name) or (f"did you mean {{{nearest[0]}}}?" if nearest else "")
            raise ValueError(
                f"There is no field {{{name}}}{f': {hint}' if hint else ''} There are {', '.join(fields)}; "
                "braces that are meant are doubled."
            )


def expand_template(text: str, values: Mapping[str, str]) -> str:
    """Return a checked template with its values.

    As in KubeSpawner, a ``-`` that stands at the end only because a name is empty is dropped.
    """
    if "{" not in text and "}" not in text:
        return text
    expanded = text.format_map(values)
    return expanded if text.endswith("-") else expanded.rstrip("-")


def name_values(of: User, lab: str, names: Names, scheme: str = "safe") -> dict[str, str]:
    """Return the values of ``TEMPLATE_FIELDS`` for a user's lab: ``spawn.user``, ``spawn.name``, ``spawn.names``.

    ``scheme`` says which slugs the plain names are: ``safe``, or ``escape`` as before KubeSpawner 7.
    """
    user, server = of.username, "" if lab == DEFAULT_LAB else lab
    safe = (safe_slug(user), safe_slug(server) if server else "", joined_slug(user, server))
    escaped = (escape_slug(user), escape_slug(server), f"{escape_slug(user)}--{escape_slug(server)}")
    if scheme == "safe":
        plain = safe
    else:
        plain = (*escaped[:2], escaped[2] if server else escaped[0])
    keys = ("username", "servername", "user_server")
    return {
        **dict(zip(keys, plain, strict=True)),
        "unescaped_username": user,
        "unescaped_servername": server,
        **{f"safe_{key}": value for key, value in zip(keys, safe, strict=True)},
        **{f"escaped_{key}": value for key, value in zip(keys, escaped, strict=True)},
        "pod_name": names.base,
        "namespace": names.namespace,
        "uid": str(of.uid),
        "gid": str(of.gid),
    }


def _fields_in(text: str) -> Iterator[str]:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no template ({error}): braces that are meant are doubled.") from None
    for _, name, form, conversion in parts:
        if name is not None:
            # `{user.name}`, `{user!r}` and `{user:x}` reach into values: what is named is the whole of it.
            yield f"{name}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}"
