"""The template of a lab's pod: KubeSpawner's traits about the pod, under their names, in one table.

The schema of the settings, and which values are templates, come from the types of the fields.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from spawnpenny.api import PlannedSpawn, StrictSchema, expand_all, fields_of_model
from spawnpenny_lab import models
from spawnpenny_lab.container_resources import wrong_resources
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

Entries = tuple[Mapping[str, Any], ...] | Mapping[str, Mapping[str, Any]]
"""A list of objects, or a map whose values come in the order of its keys, so that settings can be merged."""

Object = Mapping[str, Any]
Texts = Mapping[str, str]
PullPolicy = Annotated[str, fields.String(validate=validate.OneOf(["Always", "IfNotPresent", "Never"]))]

GRACE: Final = "terminationGracePeriodSeconds"
_USUAL_GRACE: Final = 10
JUPYTERHUB_FIELDS: Final = ("username", "base_url")
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
    """The template of a lab's pod. The keys are documented in the plugin's README."""

    image: Annotated[str, fields.String(validate=validate.Length(min=1))] = IMAGE
    image_pull_policy: PullPolicy | None = None
    image_pull_secrets: Annotated[tuple[Mapping[str, str], ...], PullSecretsField()] = ()
    command: Annotated[tuple[str, ...], CommandField(program=True)] = ()
    cmd: Annotated[tuple[str, ...], CommandField(program=True)] = ()
    args: Annotated[tuple[str, ...], CommandField()] = ()
    working_dir: (
        Annotated[
            str,
            TextField(
                template=True,
                validate=validate.Regexp(
                    r"$|[/{]", error="Write a path that begins with a slash; no shell expands a tilde."
                ),
            ),
        ]
        | None
    ) = None
    notebook_dir: Annotated[str, TextField(fields=JUPYTERHUB_FIELDS)] | None = None
    default_url: Annotated[str, TextField(fields=JUPYTERHUB_FIELDS)] | None = None
    port: Annotated[int, fields.Integer(strict=True, validate=validate.Range(1, 65535))] = 8888
    environment: Annotated[Mapping[str, str | Mapping[str, Any]], EnvironmentField()] = field(default_factory=dict)
    lifecycle_hooks: Annotated[Object, ObjectField(models.LIFECYCLE)] = field(default_factory=dict)
    delete_grace_period: Annotated[int, grace_period()] | None = None

    cpu_limit: Annotated[Decimal, CoresField(of="cpu")] | None = None
    cpu_guarantee: Annotated[Decimal, CoresField(of="cpu")] | None = None
    mem_limit: Annotated[Decimal, BytesField(of="memory")] | None = None
    mem_guarantee: Annotated[Decimal, BytesField(of="memory")] | None = None
    extra_resource_limits: Annotated[Object, AmountsField()] = field(default_factory=dict)
    extra_resource_guarantees: Annotated[Object, AmountsField()] = field(default_factory=dict)

    volumes: Annotated[Entries, EntriesField(models.VOLUME, template=True)] = ()
    volume_mounts: Annotated[Entries, EntriesField(models.VOLUME_MOUNT, template=True)] = ()
    init_containers: Annotated[Entries, EntriesField(models.FURTHER_CONTAINER, template=True)] = ()
    extra_containers: Annotated[Entries, EntriesField(models.FURTHER_CONTAINER, template=True)] = ()
    extra_container_config: Annotated[Object, ObjectField(models.CONTAINER)] = field(default_factory=dict)
    extra_pod_config: Annotated[Object, ObjectField(models.POD_SPEC, template=True)] = field(default_factory=dict)

    slug_scheme: Annotated[str, fields.String(validate=validate.OneOf(["safe", "escape"]))] = "safe"
    component_label: str = "singleuser-server"
    common_labels: Annotated[Texts, StringsField(labels=True)] = field(default_factory=lambda: dict(_COMMON_LABELS))
    extra_labels: Annotated[Texts, StringsField(template=True, labels=True)] = field(default_factory=dict)
    extra_annotations: Annotated[Texts, StringsField(template=True)] = field(default_factory=dict)

    node_selector: Texts = field(default_factory=dict)
    tolerations: Annotated[Entries, EntriesField(models.TOLERATION)] = ()
    node_affinity_preferred: Annotated[Entries, EntriesField(models.PREFERRED_SCHEDULING_TERM)] = ()
    node_affinity_required: Annotated[Entries, EntriesField(models.NODE_SELECTOR_TERM)] = ()
    pod_affinity_preferred: Annotated[Entries, EntriesField(models.WEIGHTED_POD_AFFINITY_TERM)] = ()
    pod_affinity_required: Annotated[Entries, EntriesField(models.POD_AFFINITY_TERM)] = ()
    pod_anti_affinity_preferred: Annotated[Entries, EntriesField(models.WEIGHTED_POD_AFFINITY_TERM)] = ()
    pod_anti_affinity_required: Annotated[Entries, EntriesField(models.POD_AFFINITY_TERM)] = ()
    scheduler_name: str | None = None
    priority_class_name: str | None = None

    uid: Annotated[int, posix_id()] | None = None
    gid: Annotated[int, posix_id()] | None = None
    fs_gid: Annotated[int, posix_id()] | None = None
    supplemental_gids: Annotated[tuple[int, ...], GroupsField()] = ()
    privileged: bool = False
    allow_privilege_escalation: bool | None = False
    container_security_context: Annotated[Object, ContextField("V1Container")] = field(default_factory=dict)
    pod_security_context: Annotated[Object, ContextField("V1PodSpec")] = field(default_factory=dict)
    service_account: Annotated[str, TextField(template=True)] | None = None
    automount_service_account_token: bool | None = None

    @property
    def grace(self) -> int:
        """Seconds that a lab has to end by itself."""
        of_pod = self.extra_pod_config.get(GRACE)
        return next((grace for grace in (self.delete_grace_period, of_pod) if grace is not None), _USUAL_GRACE)

    def overridden(self, *overrides: Mapping[str, Any]) -> Template:
        """Return the template with a profile's ``kubespawner_override`` and those of its chosen options.

        As in KubeSpawner, maps are merged, a None in them removes its key, and any other value replaces.

        Raises:
            ValidationError: A key is not known, or its value is wrong.

        """
        data: dict[str, Any] = {key.name: getattr(self, key.name) for key in dataclasses.fields(self)}
        for override in overrides:
            data = _updated(data, override)
        template: Template = TemplateSchema().load(data)
        return template


class TemplateKeys(Schema):
    """The keys of a template, for schemas that have them flat among their own."""

    class Meta(StrictSchema.Meta):
        include = fields_of_model(Template)

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


class TemplateSchema(TemplateKeys, StrictSchema[Template]):
    model = Template


def expanded(template: Template, spawn: PlannedSpawn, prefix: str) -> Template:
    """Return a template for one spawn; ``prefix`` is the path under which its lab answers.

    Values (but not the keys in them) of the fields that take templates name the spawn's names.
    """
    names = _names(spawn.fields, template.slug_scheme)
    server = {"username": spawn.user.username, "base_url": prefix}
    expands = [key for key, field in fields_of_model(Template).items() if getattr(field, "template", False)]
    return replace(
        template,
        **{key: expand_all(getattr(template, key), names) for key in expands},
        notebook_dir=expand_all(template.notebook_dir, server, trim=False),
        default_url=expand_all(template.default_url, server, trim=False),
    )


def _names(fields: Mapping[str, str], scheme: str) -> dict[str, str]:
    """Return fields with the plain names in a scheme: ``escape`` is that of KubeSpawner before version 7."""
    if scheme == "safe":
        return dict(fields)
    user, server = fields["escaped_username"], fields["escaped_servername"]
    joined = f"{user}--{server}" if server else user
    return {**fields, "username": user, "servername": server, "user_server": joined}


def _updated(data: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    updated = dict(data)
    for key, value in override.items():
        existing = updated.get(key)
        updated[key] = (
            _merged(existing, value) if isinstance(existing, Mapping) and isinstance(value, Mapping) else value
        )
    return updated


def _merged(existing: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(existing)
    for key, value in override.items():
        if isinstance(value, Mapping):
            inner = merged.get(key)
            merged[key] = _merged(inner if isinstance(inner, Mapping) else {}, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
