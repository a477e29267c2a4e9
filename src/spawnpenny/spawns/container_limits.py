"""Default limits of containers: under a quota on limits, every container needs one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.quantities import format_quantity, parse_quantity
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.users import User
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.pipeline.spawn import PlannedSpawn
from spawnpenny.pipeline.step import Step

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

Limits = Mapping[str, Decimal]
_KINDS: Final = ("containers", "initContainers")
_SOMEBODY: Final = "somebody"


def container_limits(steps: Iterable[Step]) -> Limits:
    """Return the default limits of containers, from all steps together."""
    return {resource: limit for step in steps for resource, limit in step.container_limits().items()}


def limited(pod: Manifest, limits: Limits) -> Manifest:
    """Return a pod whose containers all have limits: their own, else the default, or the request if that is more.

    A LimitRange would give the same pod, except for requests above its default limit: Kubernetes refuses those.
    """
    spec = dict(pod["spec"])
    for kind in _KINDS:
        if spec.get(kind):
            spec[kind] = [_limited(container, limits) for container in spec[kind]]
    return {**pod, "spec": spec}


def _limited(container: Mapping[str, Any], limits: Limits) -> Manifest:
    resources: dict[str, Any] = container.get("resources") or {}
    own, requests = resources.get("limits") or {}, resources.get("requests") or {}
    missing = {
        resource: format_quantity(max(limit, parse_quantity(requests.get(resource, 0))))
        for resource, limit in limits.items()
        if resource not in own
    }
    return {**container, "resources": {**resources, "limits": {**own, **missing}}} if missing else dict(container)


def verify_steps(settings: Settings, plugins: Plugins) -> None:
    """Refuse settings of one plugin that contradict those of another, by the checks of all steps.

    Raises:
        SettingsError: The settings contradict each other.

    """
    for kind, pipeline in plugins.pipelines.items():
        limits = container_limits(pipeline.steps)
        for step in pipeline.steps:
            step.verify(sample(kind, settings, plugins), limits)


def sample(kind: str, settings: Settings, plugins: Plugins) -> PlannedSpawn:
    """Return a sample spawn, to make manifests of it."""

    def patched(spawn: PlannedSpawn, pod: Manifest) -> Manifest:
        return merge_patches(pod, plugins.pod_patches(spawn, pod), base=f"the {spawn.kind} plugin")

    return PlannedSpawn(
        id="sample",
        kind=kind,
        name=DEFAULT_LAB,
        user=User(_SOMEBODY, settings.users.uid, settings.users.gid),
        names=Names.of(_SOMEBODY, kind, DEFAULT_LAB, prefix=settings.namespaces.prefix),
        options={},
        env={},
        resources=Resources(),
        resources_in_use=Resources(),
        kinds=plugins.kinds,
        _patch=patched,
        _notify=lambda *_: None,
        _publish_url=lambda *_: None,
    )
