"""Read Python in the values of dask-gateway's chart, without running it: literal values become settings."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spawnpenny_dask.migration.units import quantity, unit_of

_TRAITS: Final = {
    "worker_cmd": "worker.program",
    "scheduler_cmd": "scheduler.program",
    "worker_cores": "worker.cores",
    "worker_memory": "worker.memory",
    "worker_threads": "worker.threads",
    "scheduler_cores": "scheduler.cores",
    "scheduler_memory": "scheduler.memory",
    "worker_extra_pod_config": "worker.extra_pod_config",
    "worker_extra_container_config": "worker.extra_container_config",
    "scheduler_extra_pod_config": "scheduler.extra_pod_config",
    "scheduler_extra_container_config": "scheduler.extra_container_config",
    "image": "image",
    "image_pull_policy": "image_pull_policy",
    "environment": "environment",
    "idle_timeout": "idle_timeout",
    "cluster_max_workers": "max_workers",
    "max_clusters": "max_clusters",
}
_CLASSES: Final = frozenset({"ClusterConfig", "KubeClusterConfig", "UserLimits"})
_USUAL_COMMANDS: Final = (["dask-worker"], ["dask-scheduler"], "dask-worker", "dask-scheduler")
_TYPES: Final = {"Integer": "int", "Float": "float", "String": "string", "Mapping": "mapping", "Select": "select"}
_TARGETS: Final = {
    "worker_cores": {"int", "float", "select"},
    "worker_memory": {"int", "float", "select"},
    "worker_threads": {"int", "select"},
    "scheduler_cores": {"int", "float", "select"},
    "scheduler_memory": {"int", "float", "select"},
    "idle_timeout": {"int", "float", "select"},
    "image": {"string", "select"},
    "environment": {"mapping"},
}
_OPTION: Final = re.compile(r"\boptions\.(\w+)")


@dataclass(slots=True)
class GatewayConfig:
    """The settings and options that a piece of Python sets, by name, and the names of what is not carried over."""

    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def read_config(source: Any) -> GatewayConfig | None:
    """Return what a piece of Python sets; None if it is not valid Python."""
    found = GatewayConfig()
    try:
        tree = ast.parse(textwrap.dedent(str(source)))
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            _assigned(ast.unparse(node.targets[0]), node.value, found)
    for call in _options_calls(tree):
        _read_options(call, _handled(tree), found)
    return found


def _assigned(target: str, value: ast.expr, found: GatewayConfig) -> None:
    owner, _, trait = target.removeprefix("c.").partition(".")
    if not target.startswith("c.") or not trait:
        return
    if target == "c.Backend.cluster_options":
        if not any(_options_calls(value)) and not isinstance(value, ast.Name):
            found.left.append(target)
        return
    known, plain = (_TRAITS.get(trait) if owner in _CLASSES else None), _literal(value)
    if known is None or plain is None:
        found.left.append(target)
    elif known.endswith(".program"):
        if plain not in _USUAL_COMMANDS:
            found.settings[known] = plain.split() if isinstance(plain, str) else list(plain)
    else:
        found.settings[known] = quantity(plain) if trait.endswith("memory") else plain


def _options_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Options":
            yield node


def _handled(tree: ast.AST) -> dict[str, ast.expr] | None:
    """Return the values that an options handler returns, by key; None if there is no handler."""
    handlers = {
        keyword.value.id
        for call in _options_calls(tree)
        for keyword in call.keywords
        if keyword.arg == "handler" and isinstance(keyword.value, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in handlers:
            returned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
            dicts = [value for value in returned if isinstance(value, ast.Dict)]
            if dicts:
                pairs = zip(dicts[-1].keys, dicts[-1].values, strict=True)
                return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
    return {} if handlers or any(call.keywords for call in _options_calls(tree)) else None


def _read_options(call: ast.Call, handled: Mapping[str, ast.expr] | None, found: GatewayConfig) -> None:
    for argument in call.args:
        option = _option(argument, handled) if isinstance(argument, ast.Call) else None
        if option is None:
            found.left.append(f"the option {ast.unparse(argument)[:60]}")
        else:
            found.options |= option
    used = {name for value in (handled or {}).values() for name in _OPTION.findall(ast.unparse(value))}
    plain = {key for key, value in (handled or {}).items() if _target_of(key, value) is not None}
    found.left += [f"{key} of the options' handler" for key in (handled or {}) if key not in plain and used]


def _option(call: ast.Call, handled: Mapping[str, ast.expr] | None) -> dict[str, Any] | None:
    """Return a field of dask-gateway as an option of ours; None if we have no such option."""
    kind = _TYPES.get(ast.unparse(call.func).rpartition(".")[2])
    values = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
    names = ("field", "options", "default") if kind == "select" else ("field", "default")
    values = {**dict(zip(names, map(_literal, call.args), strict=False)), **values}
    name = values.get("field")
    if kind is None or not isinstance(name, str):
        return None
    target, unit = values.get("target") or name, None
    if handled is not None:
        matches = [
            (key, matched)
            for key, value in handled.items()
            if (matched := _target_of(key, value)) and matched[0] == name
        ]
        if not matches:
            return None
        target, unit = matches[0][0], matches[0][1][1]
    if kind not in _TARGETS.get(str(target), ()):
        return None
    further = {ours: values[key] for key, ours in _FURTHER.items() if values.get(key) not in (None, {}, "")}
    if unit == "B" and any(_is_tiny(further.get(key)) for key in ("min", "default")):
        return None  # the service would refuse all options because of it
    sets = {"sets": target} if target != name and kind != "select" else {}
    if kind == "select":
        further = {"choices": _choices(values.get("options"), str(target)), **further}
        return {name: {"type": kind, **further}} if further["choices"] else None
    return {name: {"type": kind, **sets, **({"unit": unit} if unit else {}), **further}}


def _is_tiny(amount: Any) -> bool:
    """Return whether an amount is too small to be a number of bytes that a program needs."""
    return isinstance(amount, int | float) and amount < _LEAST_BYTES


_LEAST_BYTES: Final = 2**20
_FURTHER: Final = {"default": "default", "min": "min", "max": "max", "label": "label"}


def _choices(options: Any, target: str) -> dict[str, Any]:
    pairs = [option if isinstance(option, list | tuple) else (option, option) for option in options or ()]
    memory = target.endswith("memory")
    return {
        str(label): {target: quantity(str(value)) if memory else value} for label, value in pairs
    }  # a number of bytes, or a text


def _target_of(key: str, value: ast.expr) -> tuple[str, str | None] | None:
    """Return the option that an entry of a handler passes on, and its unit; None if it does more than that."""
    if key not in _TARGETS:
        return None
    names = set(_OPTION.findall(ast.unparse(value)))
    if len(names) != 1:
        return None
    unit = unit_of(key, value)
    return None if unit is None else (names.pop(), unit or None)


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return None
