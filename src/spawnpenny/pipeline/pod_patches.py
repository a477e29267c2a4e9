"""Merge the patches of plugins into a pod, as Kubernetes merges, and refuse contradictions.

Containers, volumes and env are merged by ``name``, mounts by ``mountPath``, ports by ``containerPort``; other
lists append; maps merge by key; two different values for one key are a conflict, which names both plugins.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.pipeline.errors import PatchConflictError

_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
}


@dataclass
class _Merge:
    """One merge; ``setters`` remembers which plugin set the value at a path."""

    base: str
    setters: dict[str, str] = field(default_factory=dict)

    def into(self, target: dict[str, Any], patch: Manifest, path: str, plugin: str) -> None:
        for key, value in patch.items():
            where = f"{path}.{key}" if path else key
            if key not in target:
                target[key] = copy.deepcopy(value)
                self._remember(target[key], where, plugin)
            elif isinstance(target[key], dict) and isinstance(value, dict):
                self.into(target[key], value, where, plugin)
            elif isinstance(target[key], list) and isinstance(value, list):
                self._lists(target[key], value, where, plugin)
            elif target[key] != value:
                raise self._conflict(where, plugin)

    def _lists(self, target: list[Any], patch: list[Any], path: str, plugin: str) -> None:
        merge_key = _KEYS.get(path.rpartition(".")[2])
        for value in patch:
            existing = _find(target, merge_key, value)
            if existing is None:
                _refuse_half_a_container(path, value, target, plugin)
                target.append(copy.deepcopy(value))
                self._remember(value, _item(path, merge_key, value), plugin)
            else:
                self.into(existing, value, _item(path, merge_key, value), plugin)

    def _remember(self, value: Any, path: str, plugin: str) -> None:
        self.setters[path] = plugin
        if isinstance(value, dict):
            for key, inner in value.items():
                self._remember(inner, f"{path}.{key}", plugin)
        elif isinstance(value, list):
            merge_key = _KEYS.get(path.rpartition(".")[2])
            for inner in value:
                self._remember(inner, _item(path, merge_key, inner), plugin)

    def refuse_two_sources(self, pod: Manifest) -> None:
        """Refuse a volume with two sources, or an env variable with a value and a source: Kubernetes takes only one."""
        spec = pod.get("spec", {})
        for volume in spec.get("volumes", ()):
            self._refuse_two(f"spec.volumes[{volume['name']}]", sorted(volume.keys() - {"name"}))
        for kind in ("containers", "initContainers"):
            for container in spec.get(kind, ()):
                for variable in container.get("env", ()):
                    path = f"spec.{kind}[{container['name']}].env[{variable['name']}]"
                    self._refuse_two(path, sorted(variable.keys() & {"value", "valueFrom"}))

    def _refuse_two(self, path: str, keys: list[str]) -> None:
        if len(keys) > 1:
            plugins = sorted({self.setters.get(f"{path}.{key}", self.base) for key in keys})
            raise PatchConflictError(
                f"The plugins {' and '.join(map(repr, plugins))} give {path} of the pod {' and '.join(keys)}: "
                "it can have only one."
            )

    def _conflict(self, path: str, plugin: str) -> PatchConflictError:
        other = self.setters.get(path, self.base)
        # The values may be secret (env), so only the place is named.
        return PatchConflictError(f"The plugins {other!r} and {plugin!r} set {path} of the pod to different values.")


def merge_patches(pod: Manifest, patches: Sequence[tuple[str, Manifest]], *, base: str) -> Manifest:
    """Return the pod with all patches, pairs of a plugin's name and its patch; ``base`` names the pod's own plugin.

    Raises:
        PatchConflictError: Two of them set one key to different values.

    """
    merged = copy.deepcopy(pod)
    merge = _Merge(base)
    for plugin, patch in patches:
        merge.into(merged, patch, "", plugin)
    merge.refuse_two_sources(merged)
    return merged


def _refuse_half_a_container(path: str, value: Any, existing: list[Any], plugin: str) -> None:
    """Refuse a container without an image: its name is misspelt, as it was to be merged into an existing container."""
    if path.rpartition(".")[2] in {"containers", "initContainers"} and "image" not in value:
        names = ", ".join(repr(container["name"]) for container in existing) or "none"
        raise PatchConflictError(
            f"The plugin {plugin!r} adds to a container {value.get('name')!r}, which the pod does not have "
            f"(there are {names}); a further container needs an image."
        )


def _find(target: list[Any], merge_key: str | None, value: Any) -> dict[str, Any] | None:
    if merge_key is None or not isinstance(value, dict) or merge_key not in value:
        return None
    for existing in target:
        if isinstance(existing, dict) and existing.get(merge_key) == value[merge_key]:
            return existing
    return None


def _item(path: str, merge_key: str | None, value: Any) -> str:
    name = value.get(merge_key) if merge_key and isinstance(value, dict) else None
    return f"{path}[{name}]" if name is not None else path
