"""Rules of Kubernetes roles, made from permissions: merged, sorted, and always the same for the same permissions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.kubernetes.permissions import Permission

VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "bind")
"""Verbs in the order in which they are shown."""


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """Verbs on resources of one API group; ``names`` limits it to these objects, empty for all."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        names = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": list(self.resources), **names, "verbs": list(self.verbs)}


def rights_of(rules: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return each right of a role's rules in words: ``get configmaps``, ``bind clusterroles.GROUP NAME``."""
    return {
        f"{verb} {resource}{f'.{group}' if group else ''}{f' {name}' if name else ''}"
        for rule in rules
        for group in rule.get("apiGroups") or [""]
        for resource in rule.get("resources") or rule.get("nonResourceURLs") or []
        for name in rule.get("resourceNames") or [""]
        for verb in rule["verbs"]
    }


def in_order(verbs: Iterable[str]) -> tuple[str, ...]:
    """Sort verbs into the order in which they are shown."""
    return tuple(sorted(set(verbs), key=lambda verb: (VERBS.index(verb) if verb in VERBS else len(VERBS), verb)))


def make_rules(permissions: Iterable[Permission]) -> tuple[Rule, ...]:
    """Return the rules that grant these permissions and nothing else."""
    verbs: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for permission in permissions:
        if permission.resource is not None:
            key = permission.resource.group, permission.resource.plural, tuple(sorted(permission.names))
            verbs.setdefault(key, set()).update(permission.verbs)
    resources: dict[tuple[str, tuple[str, ...], tuple[str, ...]], set[str]] = {}
    for (group, resource, names), allowed in verbs.items():
        left = allowed - verbs.get((group, resource, ()), set()) if names else allowed
        if left:
            resources.setdefault((group, in_order(left), names), set()).add(resource)
    return tuple(sorted(Rule(group, tuple(sorted(of)), v, names) for (group, v, names), of in resources.items()))
