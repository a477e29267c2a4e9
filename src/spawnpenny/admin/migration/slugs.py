"""Names of KubeSpawner's user namespaces, under both of its slug schemes."""

from __future__ import annotations

from typing import Final

from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.templates import expand, template_fields

LAB: Final = "lab"
"""The kind that takes the place of KubeSpawner's servers."""


def namespace_names(template: str, username: str, hub_namespace: str) -> set[str]:
    """Return the namespaces that KubeSpawner may have made for a user from a ``user_namespace_template``.

    There is one for each slug scheme; none if the template has a field that only the Hub knows.
    """
    names = Names.of(username, LAB, DEFAULT_LAB, prefix="")
    hub = "user" if hub_namespace == "default" else hub_namespace
    fields = {**template_fields(username, DEFAULT_LAB, names), "hubnamespace": hub}
    slugs = fields["safe_username"], fields["escaped_username"]
    try:
        return {expand(template, {**fields, "username": slug, "user_server": slug}) for slug in slugs}
    except ValueError:
        return set()
