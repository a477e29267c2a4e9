"""The variables of a lab's container, in an order in which they can refer to each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from spawnpenny.api import Manifest
from spawnpenny_lab.template import Template

_REFERENCE: Final = re.compile(r"\$\(([^)]+)\)")


def variables(template: Template, known: Collection[str]) -> list[Manifest]:
    """Return the variables that JupyterHub's spawners pass to a server, and the site's own.

    Args:
        template: The template of the lab.
        known: The names of existing variables: those of the caller's environment.

    """
    environment: dict[str, str | Mapping[str, Any]] = {**_of_jupyterhub(template), **template.environment}
    by_key = {
        key: {"name": key, **value} if isinstance(value, Mapping) else {"name": key, "value": value}
        for key, value in environment.items()
    }
    return _ordered(by_key, known)


def _of_jupyterhub(template: Template) -> dict[str, str]:
    found = {
        "JUPYTERHUB_ROOT_DIR": template.notebook_dir,
        "JUPYTERHUB_DEFAULT_URL": template.default_url,
        "JUPYTER_IMAGE": template.image,
        "JUPYTER_IMAGE_SPEC": template.image,
    }
    return {name: value for name, value in found.items() if value}


def _ordered(by_key: Mapping[str, Manifest], known: Collection[str]) -> list[Manifest]:
    """Sort by key, but put a variable before those that refer to it as ``$(NAME)``. Circular references come last."""
    waiting = dict(sorted(by_key.items()))
    ordered: list[Manifest] = []
    existing = set(known)
    while ready := [key for key, variable in waiting.items() if _references(variable) <= existing]:
        ordered += [waiting.pop(key) for key in ready]
        existing |= {variable["name"] for variable in ordered}
    return ordered + list(waiting.values())


def _references(variable: Manifest) -> set[str]:
    return set(_REFERENCE.findall(variable.get("value") or "")) - {variable["name"]}
