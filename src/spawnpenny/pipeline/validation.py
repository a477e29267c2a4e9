"""Validate the declarations of steps when plugins are loaded: a mistake stops the service from starting."""

from __future__ import annotations

import difflib
import inspect
import re
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Final

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


def check_kinds(steps: Sequence[Step], origin: Mapping[str, str], kinds: Collection[str], absent: set[str]) -> None:
    """Refuse steps that name misspelt kinds, or only kinds that no plugin has.

    A step may name kinds of plugins that are not loaded beside those that are.

    Args:
        steps: All steps, with checked declarations.
        origin: The plugin of each step, for the messages.
        kinds: The names of the kinds of the loaded plugins.
        absent: The plugins that are installed and not loaded: a kind may have the name of one.

    Raises:
        PluginError: The step, its plugin, and the kinds that are loaded.

    """
    for step in steps:
        unknown = sorted((step.kinds or frozenset()) - set(kinds) - absent)
        near = [match for name in unknown for match in difflib.get_close_matches(name, kinds, n=1, cutoff=0.8)]
        if near or (unknown and not (step.kinds or frozenset()) & (set(kinds) | absent)):
            hint = f"Did you mean {near[0]}?" if near else f"The kinds are {', '.join(kinds)}."
            where = f"class {type(step).__name__} of {came_from(step.name, origin)}"
            raise PluginError(f"The step {step.name!r} ({where}) names unknown kinds: {', '.join(unknown)}. {hint}")


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
        if word == "kinds" and names is None:
            continue
        if not isinstance(names, frozenset | set) or not all(isinstance(name, str) for name in names):
            return f"needs {word} as a set of names, such as frozenset({{'lab'}})."
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
