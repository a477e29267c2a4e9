"""The names that a plugin may import.

They are imported when they are used: a process of a plugin that needs a part, such as ``spawnpenny.api.commands``, does
not load the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spawnpenny.aio.backoff import pauses
    from spawnpenny.auth.identity import Authenticator, Credentials, Identity
    from spawnpenny.domain.answers import Answer, answers
    from spawnpenny.domain.broker_errors import VolumesKeptError
    from spawnpenny.domain.chart_migration import ChartMigration
    from spawnpenny.domain.cluster_options import ClusterOption, OptionType
    from spawnpenny.domain.contract import (
        AUTHORITY,
        CONTROL_PORT_NAME,
        CONTROL_TOKEN,
        DASHBOARD_PORT_NAME,
        NOTEBOOK,
        NOTEBOOK_PORT_NAME,
        SCHEDULER,
        SCHEDULER_PORT_NAME,
        WORKER,
    )
    from spawnpenny.domain.dashboards import Dashboard
    from spawnpenny.domain.events import Event, EventType, Severity
    from spawnpenny.domain.forms import Checkbox, FormChoice, FormField, FreeText, Number, check_form
    from spawnpenny.domain.kinds import Kind, OptionSource
    from spawnpenny.domain.kubernetes_types import unknown_key
    from spawnpenny.domain.labels import LAB as LAB_LABEL
    from spawnpenny.domain.labels import PART, WORKER_GROUP, labels_fault
    from spawnpenny.domain.labels import ROUTE as ROUTE_LABEL
    from spawnpenny.domain.labels import SPAWN as SPAWN_LABEL
    from spawnpenny.domain.names import DEFAULT_LAB, Names, check_username, safe_slug
    from spawnpenny.domain.overlay import overlaid
    from spawnpenny.domain.pod_resources import pod_limits, resources_fault
    from spawnpenny.domain.quantities import format_quantity, parse_quantity
    from spawnpenny.domain.resources import Resources
    from spawnpenny.domain.spawn_status import SpawnStatus
    from spawnpenny.domain.spawns import DEFAULT_GROUP, Caller, Key, Phase, Scale, Tls
    from spawnpenny.domain.templates import SERVER_FIELDS, expand, expand_all, fields_of
    from spawnpenny.domain.users import MAX_ID, Group, User
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.errors import (
        ForbiddenError,
        InvalidNameError,
        InvalidOptionError,
        NotReadyError,
        QuotaExceededError,
        SettingsError,
        SpawnError,
        SpawnpennyError,
        StorageKeptError,
        UnauthenticatedError,
        UnknownOptionError,
    )
    from spawnpenny.kubernetes.errors import ClusterError
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.kubernetes.kinds import Resource
    from spawnpenny.kubernetes.permissions import allow
    from spawnpenny.kubernetes.pods.status import ending as pod_ending
    from spawnpenny.kubernetes.pods.status import is_lost as pod_is_lost
    from spawnpenny.kubernetes.pods.status import is_ready as pod_is_ready
    from spawnpenny.kubernetes.pods.status import side_troubles as pod_side_troubles
    from spawnpenny.kubernetes.pods.status import trouble as pod_trouble
    from spawnpenny.pipeline.root_capabilities import hardened_container
    from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn, StashKey
    from spawnpenny.pipeline.step import Step
    from spawnpenny.pipeline.step_cluster import StepCluster
    from spawnpenny.pipeline.worker_backoff import Backoff
    from spawnpenny.pipeline.worker_notices import WorkerNotices
    from spawnpenny.pipeline.worker_pods import WorkerPods, pod_age, pod_is_leaving, pod_name, worker_group, worker_pods
    from spawnpenny.plugin.spec import hookimpl
    from spawnpenny.settings.fields import QuantityField, TemplateField, TupleField
    from spawnpenny.settings.model import Settings
    from spawnpenny.settings.schema import StrictSchema, fields_of_model, schema_of
    from spawnpenny.settings.sections import SCOPES
    from spawnpenny.tls import Authority, client_context

__all__ = [
    "AUTHORITY",
    "CONTROL_PORT_NAME",
    "CONTROL_TOKEN",
    "DASHBOARD_PORT_NAME",
    "DEFAULT_GROUP",
    "DEFAULT_LAB",
    "LAB_LABEL",
    "MAX_ID",
    "NOTEBOOK",
    "NOTEBOOK_PORT_NAME",
    "PART",
    "ROUTE_LABEL",
    "SCHEDULER",
    "SCHEDULER_PORT_NAME",
    "SCOPES",
    "SERVER_FIELDS",
    "SPAWN_LABEL",
    "WORKER",
    "WORKER_GROUP",
    "Answer",
    "Authenticator",
    "Authority",
    "Backoff",
    "Caller",
    "ChartMigration",
    "Checkbox",
    "ClusterError",
    "ClusterOption",
    "Credentials",
    "Dashboard",
    "Event",
    "EventType",
    "ForbiddenError",
    "FormChoice",
    "FormField",
    "FreeText",
    "Group",
    "Identity",
    "InvalidNameError",
    "InvalidOptionError",
    "Key",
    "Kind",
    "Manifest",
    "Names",
    "NotReadyError",
    "Number",
    "OptionSource",
    "OptionType",
    "Phase",
    "PlannedSpawn",
    "QuantityField",
    "QuotaExceededError",
    "Resource",
    "Resources",
    "Scale",
    "Settings",
    "SettingsError",
    "Severity",
    "Spawn",
    "SpawnError",
    "SpawnStatus",
    "SpawnpennyError",
    "StashKey",
    "Step",
    "StepCluster",
    "StorageKeptError",
    "StrictSchema",
    "TemplateField",
    "Tls",
    "TupleField",
    "UnauthenticatedError",
    "UnknownOptionError",
    "User",
    "VolumesKeptError",
    "WorkerGroup",
    "WorkerNotices",
    "WorkerPods",
    "allow",
    "answers",
    "check_form",
    "check_username",
    "client_context",
    "expand",
    "expand_all",
    "fields_of",
    "fields_of_model",
    "format_quantity",
    "hardened_container",
    "hookimpl",
    "labels_fault",
    "overlaid",
    "parse_quantity",
    "pauses",
    "pod_age",
    "pod_ending",
    "pod_is_leaving",
    "pod_is_lost",
    "pod_is_ready",
    "pod_limits",
    "pod_name",
    "pod_side_troubles",
    "pod_trouble",
    "resources_fault",
    "safe_slug",
    "schema_of",
    "unknown_key",
    "worker_group",
    "worker_pods",
]

_HOMES: Final = {
    "spawnpenny.aio.backoff": "pauses",
    "spawnpenny.auth.identity": "Authenticator Credentials Identity",
    "spawnpenny.domain.answers": "Answer answers",
    "spawnpenny.domain.broker_errors": "VolumesKeptError",
    "spawnpenny.domain.chart_migration": "ChartMigration",
    "spawnpenny.domain.cluster_options": "ClusterOption OptionType",
    "spawnpenny.domain.contract": (
        "AUTHORITY CONTROL_PORT_NAME CONTROL_TOKEN DASHBOARD_PORT_NAME NOTEBOOK NOTEBOOK_PORT_NAME SCHEDULER "
        "SCHEDULER_PORT_NAME WORKER"
    ),
    "spawnpenny.domain.dashboards": "Dashboard",
    "spawnpenny.domain.events": "Event EventType Severity",
    "spawnpenny.domain.forms": "Checkbox FormChoice FormField FreeText Number check_form",
    "spawnpenny.domain.kinds": "Kind OptionSource",
    "spawnpenny.domain.kubernetes_types": "unknown_key",
    "spawnpenny.domain.labels": "LAB:LAB_LABEL PART WORKER_GROUP labels_fault ROUTE:ROUTE_LABEL SPAWN:SPAWN_LABEL",
    "spawnpenny.domain.names": "DEFAULT_LAB Names check_username safe_slug",
    "spawnpenny.domain.overlay": "overlaid",
    "spawnpenny.domain.pod_resources": "pod_limits resources_fault",
    "spawnpenny.domain.quantities": "format_quantity parse_quantity",
    "spawnpenny.domain.resources": "Resources",
    "spawnpenny.domain.spawn_status": "SpawnStatus",
    "spawnpenny.domain.spawns": "DEFAULT_GROUP Caller Key Phase Scale Tls",
    "spawnpenny.domain.templates": "SERVER_FIELDS expand expand_all fields_of",
    "spawnpenny.domain.users": "MAX_ID Group User",
    "spawnpenny.domain.worker_groups": "WorkerGroup",
    "spawnpenny.errors": (
        "ForbiddenError InvalidNameError InvalidOptionError NotReadyError QuotaExceededError SettingsError "
        "SpawnError SpawnpennyError StorageKeptError UnauthenticatedError UnknownOptionError"
    ),
    "spawnpenny.kubernetes.errors": "ClusterError",
    "spawnpenny.kubernetes.interface": "Manifest",
    "spawnpenny.kubernetes.kinds": "Resource",
    "spawnpenny.kubernetes.permissions": "allow",
    "spawnpenny.kubernetes.pods.status": (
        "ending:pod_ending is_lost:pod_is_lost is_ready:pod_is_ready side_troubles:pod_side_troubles "
        "trouble:pod_trouble"
    ),
    "spawnpenny.pipeline.root_capabilities": "hardened_container",
    "spawnpenny.pipeline.spawn": "PlannedSpawn Spawn StashKey",
    "spawnpenny.pipeline.step": "Step",
    "spawnpenny.pipeline.step_cluster": "StepCluster",
    "spawnpenny.pipeline.worker_backoff": "Backoff",
    "spawnpenny.pipeline.worker_notices": "WorkerNotices",
    "spawnpenny.pipeline.worker_pods": "WorkerPods pod_age pod_is_leaving pod_name worker_group worker_pods",
    "spawnpenny.plugin.spec": "hookimpl",
    "spawnpenny.settings.fields": "QuantityField TemplateField TupleField",
    "spawnpenny.settings.model": "Settings",
    "spawnpenny.settings.schema": "StrictSchema fields_of_model schema_of",
    "spawnpenny.settings.sections": "SCOPES",
    "spawnpenny.tls": "Authority client_context",
}
"""The names by the modules that have them; ``own:public`` is one that has another name there."""
_PLACES: Final = {
    word.rpartition(":")[2]: (module, word.partition(":")[0])
    for module, words in _HOMES.items()
    for word in words.split()
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own = _PLACES[name]
    found = globals()[name] = getattr(import_module(module), own)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
