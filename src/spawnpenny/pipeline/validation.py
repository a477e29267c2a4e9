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
    """Refuse steps that do not say what they have to, or say it wrongly.

    Raises:
        PluginError: Which step of which plugin, and what would be right.

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
    """Refuse a step without a name, by its class and plugin: nothing else can say which one it is.

    Raises:
        PluginError: It has none, or one that cannot be.

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
    """Say which plugin a step is of."""
    return f"plugin {origin[step]!r}" if step in origin else "an unnamed plugin"


def _wrong(step: Step) -> str | None:
    for word in _SETS:
        names = getattr(step, word, None)
        if not isinstance(names, frozenset | set) or not all(isinstance(name, str) for name in names):
            return f"needs {word} as a set of names, such as frozenset({{'lab'}})."
    if unknown := step.kinds - set(Kind):
        return f"names kinds that there are not: {', '.join(sorted(unknown))}; there are {', '.join(Kind)}."
    if getattr(step, "scope", None) not in typing.get_args(Scope):
        return f"is of scope {getattr(step, 'scope', None)!r}; there are user and spawn."
    deadline: object = step.deadline
    if deadline is not None and (not isinstance(deadline, int | float) or not deadline > 0):
        return f"has the deadline {deadline!r}; it is a number of seconds, math.inf, or None."
    return _wrong_methods(step) or _wrong_permissions(step)


def _wrong_methods(step: Step) -> str | None:
    has_revert = type(step).revert is not Step.revert
    if step.scope == "spawn" and not has_revert:
        return (
            "is of scope spawn and has no revert; write: "
            "async def revert(self, spawn): await spawn.cluster.discard(kind, name)"
        )
    if step.scope == "user" and has_revert:
        return "is of scope user, shared by a user's spawns, and so it may not have a revert."
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
            return (
                f"allows a verb that there is not: {', '.join(sorted(unknown))}; there are {', '.join(sorted(_VERBS))}."
            )
        if "delete" in permission.verbs and "get" not in permission.verbs:
            return "allows delete without get, which discard needs where a restart forgot what was made."
    return None
