"""Permissions on the cluster that each part of spawnpenny declares.

``spawnpenny permissions`` generates RBAC roles from all declarations: what is not declared is not granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from spawnpenny.kubernetes.kinds import Resource, resource_of

Verb = Literal["create", "update", "patch", "delete", "get", "list", "watch", "bind", "claim", "release", "provision"]
Zone = Literal["cluster", "tenant", "state", "broker", "provision"]
"""The place of a permission: all namespaces, user namespaces, or one of our own."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on one resource, or requests to the broker (None).

    ``names`` limits it to objects of these names; empty for all.
    """

    verbs: frozenset[str]
    resource: Resource | None
    names: tuple[str, ...] = ()


_NAMELESS: Final = frozenset({"create", "list", "watch"})

Declared = Mapping[Zone, tuple[Permission, ...]]
"""The permissions that one part of spawnpenny uses, by place."""


def allow(*verbs: Verb, on: str | Resource, names: tuple[str, ...] = ()) -> Permission:
    """Declare that these verbs are used on a resource: ``allow("create", "patch", on="configmaps")``.

    ``on`` is the plural of a kind that spawnpenny knows, a ``Resource`` for any other, or ``"broker"`` for the
    broker's verbs (``claim``, ``release``, ``provision``). ``ensure`` uses create, and get or patch on what is there
    already; ``discard`` uses delete, and get if a restart forgot the object's uid; ``wait`` on pods uses what
    the service watches anyway.

    Raises:
        ValueError: ``on`` is no known plural, or a verb cannot be held to names.

    """
    if names and (nameless := frozenset(verbs) & _NAMELESS):
        raise ValueError(f"Kubernetes cannot limit {', '.join(sorted(nameless))} to names: leave the names out.")
    resource = None if on == "broker" else resource_of(on) if isinstance(on, str) else on
    return Permission(frozenset(verbs), resource, names)
