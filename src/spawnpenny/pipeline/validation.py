"""Validate the declarations of steps when plugins are loaded: a mistake stops the service from starting."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Final

from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import PluginError
from spawnpenny.kubernetes.permissions import Permission, Verb
from spawnpenny.pipeline.step import Scope, Step

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_SETS: Final = ("kinds", "needs", "after", "before")
_VERBS: Final = frozenset(typing.get_args(Verb)) - {"bind"}


def check_declarations(steps: Sequence[Step], origin: Mapping[str, str]) -> None:
    """Refuse steps with a missing or wrong declaration.

    Raises:
        PluginError: The step and its plugin, and a right declaration.

    """
    seen: set[str] = set()
    for step in steps:
        check_name(step)
        name = step.name
        if name in seen:
            raise PluginError(f"Two steps are called {name!r}; the second is from {came_from(name, origin)}.")
        seen.add(name)
        wrong = _wrong(step)
        if wrong:
            where = f"class {type(step).__name__} of {came_from(name, origin)}"
            raise PluginError(f"The step {name!r} ({where}) {wrong}")


def check_name(step: Step, plugin: str | None = None) -> None:
    """Refuse a step without a valid name. The message has its class and plugin, as there is no name to show.

    Raises:
        PluginError: The name is missing or not valid.

    """
    name = getattr(step, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        of = f" of the plugin {plugin!r}" if plugin else ""
        has = "and has none" if name is None else f"not {str(name)[:63]!r}"
        raise PluginError(
            f"The step class {type(step).__name__}{of} needs a name of up to 63 lower case letters, digits and . - _, "
            f'{has}. Write: name = "vault"'
        )


def came_from(step: str, origin: Mapping[str, str]) -> str:
    """Return the plugin of a step, for messages."""
    return f"plugin {origin[step]!r}" if step in origin else "an unnamed plugin"


def _wrong(step: Step) -> str | None:
    for word in _SETS:
        names = getattr(step, word, None)
        if not isinstance(names, frozenset | set) or not all(isinstance(name, str) for name in names):
            return f"needs {word} as a set of names, such as frozenset({{'lab'}})."
    if unknown := step.kinds - set(Kind):
        return f"names unknown kinds: {', '.join(sorted(unknown))}. The kinds are {', '.join(Kind)}."
    if getattr(step, "scope", None) not in typing.get_args(Scope):
        return f"has the scope {getattr(step, 'scope', None)!r}. The scopes are user and spawn."
    deadline: object = step.deadline
    if deadline is not None and (not isinstance(deadline, int | float) or not deadline > 0):
        return f"has the deadline {deadline!r}. Write a number of seconds, math.inf, or None."
    return _wrong_methods(step) or _wrong_permissions(step)


def _wrong_methods(step: Step) -> str | None:
    has_revert = type(step).revert is not Step.revert
    if step.scope == "spawn" and not has_revert:
        return (
            "has the scope spawn and no revert. Write: "
            "async def revert(self, spawn): await spawn.cluster.discard(kind, name)"
        )
    if step.scope == "user" and has_revert:
        return "has the scope user, so its objects are shared by the user's spawns and it may not have a revert."
    for method in ("apply", "revert", "retire", "purge"):
        if not inspect.iscoroutinefunction(getattr(step, method)):
            return f"has a {method} that is not async."
    return None


def _wrong_permissions(step: Step) -> str | None:
    if not isinstance(step.permissions, Sequence):
        return "needs permissions as a tuple, such as (allow('create', on='configmaps'),)."
    for permission in step.permissions:
        if not isinstance(permission, Permission):
            return f"has a permission {permission!r} that was not made by allow(...)."
        if unknown := permission.verbs - _VERBS:
            return f"allows an unknown verb: {', '.join(sorted(unknown))}. The verbs are {', '.join(sorted(_VERBS))}."
        if "delete" in permission.verbs and "get" not in permission.verbs:
            return "allows delete without get, which discard needs after a restart."
    return None
