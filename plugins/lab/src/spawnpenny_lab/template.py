"""What a lab's pod is made of: KubeSpawner's traits about the pod, under their names, as settings."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from spawnpenny.api import StrictSchema
from spawnpenny_lab import models
from spawnpenny_lab.fields import (
    AmountsField,
    ContextField,
    GroupsField,
    PullSecretsField,
    posix_id,
    BytesField,
    CommandField,
    CoresField,
    EntriesField,
    EnvironmentField,
    ObjectField,
    StringsField,
    TextField,
)

Entries = tuple[Mapping[str, Any], ...] | Mapping[str, Mapping[str, Any]]
"""A list of objects, or a map whose values come in the order of its keys, so that settings can be merged."""

SERVER_FIELDS: Final = ("username", "base_url")
"""What JupyterHub's own templates may name: the true username, and the path under which the lab answers."""
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
    delete_grace_period: int = 10

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

    def overridden(self, override: Mapping[str, Any]) -> Template:
        """Return the template with a profile's ``kubespawner_override``.

        As in KubeSpawner, maps are merged, a None in them removes its key, and all else replaces.

        Raises:
            ValidationError: A key is not known, or its value is wrong.

        """
        data = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        template: Template = TemplateSchema().load(_updated(data, override))
        return template


class TemplateSchema(StrictSchema[Template]):
    """The keys of a template, flat among a section's own."""

    makes = Template
    image = fields.String(validate=validate.Length(min=1))
    image_pull_policy = fields.String(allow_none=True, validate=validate.OneOf(["Always", "IfNotPresent", "Never"]))
    image_pull_secrets = PullSecretsField()
    command = CommandField()
    cmd = CommandField()
    args = CommandField()
    working_dir = TextField(template=True, allow_none=True)
    notebook_dir = TextField(fields=SERVER_FIELDS, allow_none=True)
    default_url = TextField(fields=SERVER_FIELDS, allow_none=True)
    port = fields.Integer(strict=True, validate=validate.Range(1, 65535))
    environment = EnvironmentField()
    lifecycle_hooks = ObjectField(models.LIFECYCLE)
    delete_grace_period = fields.Integer(strict=True, validate=validate.Range(0, 600))
    cpu_limit = CoresField(allow_none=True)
    cpu_guarantee = CoresField(allow_none=True)
    mem_limit = BytesField(allow_none=True)
    mem_guarantee = BytesField(allow_none=True)
    extra_resource_limits = AmountsField()
    extra_resource_guarantees = AmountsField()
    volumes = EntriesField(models.VOLUME, template=True)
    volume_mounts = EntriesField(models.VOLUME_MOUNT, template=True)
    init_containers = EntriesField(models.FURTHER_CONTAINER, template=True)
    extra_containers = EntriesField(models.FURTHER_CONTAINER, template=True)
    extra_container_config = ObjectField(models.CONTAINER)
    extra_pod_config = ObjectField(models.POD_SPEC, template=True)
    slug_scheme = fields.String(validate=validate.OneOf(["safe", "escape"]))
    component_label = fields.String()
    common_labels = StringsField()
    extra_labels = StringsField(template=True)
    extra_annotations = StringsField(template=True)
    node_selector = fields.Dict(keys=fields.String(), values=fields.String())
    tolerations = EntriesField(models.TOLERATION)
    node_affinity_preferred = EntriesField(models.PREFERRED_SCHEDULING_TERM)
    node_affinity_required = EntriesField(models.NODE_SELECTOR_TERM)
    pod_affinity_preferred = EntriesField(models.WEIGHTED_POD_AFFINITY_TERM)
    pod_affinity_required = EntriesField(models.POD_AFFINITY_TERM)
    pod_anti_affinity_preferred = EntriesField(models.WEIGHTED_POD_AFFINITY_TERM)
    pod_anti_affinity_required = EntriesField(models.POD_AFFINITY_TERM)
    scheduler_name = fields.String(allow_none=True)
    priority_class_name = fields.String(allow_none=True)
    uid = posix_id(allow_none=True)
    gid = posix_id(allow_none=True)
    fs_gid = posix_id(allow_none=True)
    supplemental_gids = GroupsField()
    privileged = fields.Boolean()
    allow_privilege_escalation = fields.Boolean(allow_none=True)
    container_security_context = ContextField()
    pod_security_context = ContextField()
    service_account = TextField(template=True, allow_none=True)
    automount_service_account_token = fields.Boolean(allow_none=True)

    @validates_schema
    def _fits_together(self, data: Mapping[str, Any], **_: Any) -> None:
        errors: dict[str, str] = {}
        for resource in ("cpu", "mem"):
            limit, guarantee = data.get(f"{resource}_limit"), data.get(f"{resource}_guarantee")
            if limit and guarantee and guarantee > limit:
                errors[f"{resource}_guarantee"] = f"This is more than {resource}_limit."
        if data.get("args") and not (data.get("cmd") or data.get("command")):
            errors["args"] = "Arguments need a cmd (or a command): the image's own takes none from here."
        may_escalate = {
            "allowPrivilegeEscalation": data.get("allow_privilege_escalation", False),
            **data.get("container_security_context", {}),
        }["allowPrivilegeEscalation"]
        if data.get("privileged") and may_escalate is False:
            errors["privileged"] = "Kubernetes takes this only with allow_privilege_escalation: true."
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]


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
