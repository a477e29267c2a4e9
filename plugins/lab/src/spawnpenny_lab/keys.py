"""The keys of the settings that say what a lab's pod is made of, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from spawnpenny_lab import models
from spawnpenny_lab.container_resources import wrong_resources
from spawnpenny_lab.expand import JUPYTERHUB_FIELDS
from spawnpenny_lab.fields import (
    AmountsField,
    BytesField,
    CommandField,
    ContextField,
    CoresField,
    EntriesField,
    EnvironmentField,
    GroupsField,
    ObjectField,
    PullSecretsField,
    StringsField,
    TextField,
    posix_id,
)
from spawnpenny_lab.grace import grace_period, wrong_grace


class TemplateKeys(Schema):
    """The keys of a template, for schemas that have them flat among their own."""

    image = fields.String(validate=validate.Length(min=1))
    image_pull_policy = fields.String(allow_none=True, validate=validate.OneOf(["Always", "IfNotPresent", "Never"]))
    image_pull_secrets = PullSecretsField()
    command = CommandField(program=True)
    cmd = CommandField(program=True)
    args = CommandField()
    working_dir = TextField(
        template=True,
        allow_none=True,
        validate=validate.Regexp(r"$|[/{]", error="Write a path that begins with a slash; no shell expands a tilde."),
    )
    notebook_dir = TextField(fields=JUPYTERHUB_FIELDS, allow_none=True)
    default_url = TextField(fields=JUPYTERHUB_FIELDS, allow_none=True)
    port = fields.Integer(strict=True, validate=validate.Range(1, 65535))
    environment = EnvironmentField()
    lifecycle_hooks = ObjectField(models.LIFECYCLE)
    delete_grace_period = grace_period(allow_none=True)
    cpu_limit = CoresField(of="cpu", allow_none=True)
    cpu_guarantee = CoresField(of="cpu", allow_none=True)
    mem_limit = BytesField(of="memory", allow_none=True)
    mem_guarantee = BytesField(of="memory", allow_none=True)
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
    common_labels = StringsField(labels=True)
    extra_labels = StringsField(template=True, labels=True)
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
    container_security_context = ContextField("V1Container")
    pod_security_context = ContextField("V1PodSpec")
    service_account = TextField(template=True, allow_none=True)
    automount_service_account_token = fields.Boolean(allow_none=True)

    @validates_schema
    def _fits_together(self, data: Mapping[str, Any], **_: Any) -> None:
        errors: dict[str, str] = {}
        for resource in ("cpu", "mem"):
            limit, guarantee = data.get(f"{resource}_limit"), data.get(f"{resource}_guarantee")
            if limit and guarantee and guarantee > limit:
                errors[f"{resource}_guarantee"] = f"This is more than {resource}_limit."
        errors |= wrong_resources(data)
        errors |= wrong_grace(data)
        if data.get("args") and not (data.get("cmd") or data.get("command")):
            errors["args"] = "Arguments need a cmd (or a command): the image's own takes none from here."
        may_escalate = {
            "allowPrivilegeEscalation": data.get("allow_privilege_escalation", False),
            **data.get("container_security_context", {}),
        }["allowPrivilegeEscalation"]
        if data.get("privileged") and may_escalate is False:
            errors["privileged"] = "Kubernetes takes this only with allow_privilege_escalation: true."
        if errors:
            raise ValidationError(errors)
