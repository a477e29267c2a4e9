"""What a lab's pod is made of: KubeSpawner's traits about the pod, under their names."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from spawnpenny.api import StrictSchema
from spawnpenny_lab.keys import TemplateKeys

Entries = tuple[Mapping[str, Any], ...] | Mapping[str, Mapping[str, Any]]
"""A list of objects, or a map whose values come in the order of its keys, so that settings can be merged."""

GRACE: Final = "terminationGracePeriodSeconds"
_USUAL_GRACE: Final = 10
IMAGE: Final = "spawnpenny/lab"
_COMMON_LABELS: Final = {
    "app.kubernetes.io/name": "jupyterhub",
    "app.kubernetes.io/managed-by": "spawnpenny",
    "app": "jupyterhub",
    "heritage": "jupyterhub",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a lab's pod is made of. The keys are documented in the plugin's README."""

    image: str = IMAGE
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[Mapping[str, str], ...] = ()
    command: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str | None = None
    notebook_dir: str | None = None
    default_url: str | None = None
    port: int = 8888
    environment: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    lifecycle_hooks: Mapping[str, Any] = field(default_factory=dict)
    delete_grace_period: int | None = None

    cpu_limit: Decimal | None = None
    cpu_guarantee: Decimal | None = None
    mem_limit: Decimal | None = None
    mem_guarantee: Decimal | None = None
    extra_resource_limits: Mapping[str, Any] = field(default_factory=dict)
    extra_resource_guarantees: Mapping[str, Any] = field(default_factory=dict)

    volumes: Entries = ()
    volume_mounts: Entries = ()
    init_containers: Entries = ()
    extra_containers: Entries = ()
    extra_container_config: Mapping[str, Any] = field(default_factory=dict)
    extra_pod_config: Mapping[str, Any] = field(default_factory=dict)

    slug_scheme: str = "safe"
    component_label: str = "singleuser-server"
    common_labels: Mapping[str, str] = field(default_factory=lambda: dict(_COMMON_LABELS))
    extra_labels: Mapping[str, str] = field(default_factory=dict)
    extra_annotations: Mapping[str, str] = field(default_factory=dict)

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Entries = ()
    node_affinity_preferred: Entries = ()
    node_affinity_required: Entries = ()
    pod_affinity_preferred: Entries = ()
    pod_affinity_required: Entries = ()
    pod_anti_affinity_preferred: Entries = ()
    pod_anti_affinity_required: Entries = ()
    scheduler_name: str | None = None
    priority_class_name: str | None = None

    uid: int | None = None
    gid: int | None = None
    fs_gid: int | None = None
    supplemental_gids: tuple[int, ...] = ()
    privileged: bool = False
    allow_privilege_escalation: bool | None = False
    container_security_context: Mapping[str, Any] = field(default_factory=dict)
    pod_security_context: Mapping[str, Any] = field(default_factory=dict)
    service_account: str | None = None
    automount_service_account_token: bool | None = None

    @property
    def grace(self) -> int:
        """Seconds that a lab gets to end by itself."""
        of_pod = self.extra_pod_config.get(GRACE)
        return next((each for each in (self.delete_grace_period, of_pod) if each is not None), _USUAL_GRACE)

    def overridden(self, *overrides: Mapping[str, Any]) -> Template:
        """Return the template with a profile's ``kubespawner_override``, and those of what was chosen in it.

        As in KubeSpawner, maps are merged, a None in them removes its key, and all else replaces.

        Raises:
            ValidationError: A key is not known, or its value is wrong.

        """
        data: dict[str, Any] = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        for override in overrides:
            data = _updated(data, override)
        template: Template = TemplateSchema().load(data)
        return template


class TemplateSchema(TemplateKeys, StrictSchema[Template]):
    makes = Template


def _updated(data: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    updated = dict(data)
    for key, value in override.items():
        there = updated.get(key)
        updated[key] = _merged(there, value) if isinstance(there, Mapping) and isinstance(value, Mapping) else value
    return updated


def _merged(there: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(there)
    for key, value in override.items():
        if isinstance(value, Mapping):
            inner = merged.get(key)
            merged[key] = _merged(inner if isinstance(inner, Mapping) else {}, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
