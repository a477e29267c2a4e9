"""Names of KubeSpawner's attributes, with their defaults and the place of each setting here.

Hooks and ``group_overrides`` of sites that used KubeSpawner have these names. The list is that of KubeSpawner 7.1; a
test compares it with the installed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Moved:
    """A name of KubeSpawner: its default, the place of the setting here, and what servers get instead."""

    default: Any
    place: str
    effect: str = ""

    @property
    def advice(self) -> str:
        """Advice for the administrator."""
        return ". ".join(part for part in (self.place, self.effect) if part) + "."


_IMAGE: Final = "Servers run the image that the service's settings name, not this one"
_SIZE: Final = "Servers get the resources that the service's settings and the chosen profile give"
_NODE: Final = "Servers run on the nodes that the service's settings select"
_VOLUME: Final = "Servers mount only the volumes of the service's settings"
_SECURITY: Final = "Servers run with the identity and the rights that the service's settings give"
_CONTAINER: Final = "Servers have only the containers of the service's settings"

_PVC: Final = "Set plugins.storage.{} in the settings of the service"
_NAMES: Final = "The service names pods, Services and Secrets itself: there is nothing to set"
_API: Final = "The Hub makes no calls to Kubernetes: there is nothing to set"
_URL: Final = "The service gives the URL of a server: there is nothing to set"
_NAMESPACE: Final = "Each user has a namespace, named by namespaces.prefix in the settings of the service"
_PROGRESS: Final = "The progress page shows what the service reports: there is nothing to set"
_MANIFEST: Final = "The service creates the objects. Change them with a plugin of the service, by spawnpenny_pod_patch"

_LAB: Final[Mapping[str, tuple[Any, str]]] = {
    "image": ("quay.io/jupyterhub/singleuser:latest", _IMAGE),
    "image_pull_policy": (None, ""),
    "image_pull_secrets": ([], ""),
    "working_dir": (None, ""),
    "lifecycle_hooks": ({}, ""),
    "delete_grace_period": (1, ""),
    "extra_resource_limits": ({}, _SIZE),
    "extra_resource_guarantees": ({}, _SIZE),
    "volumes": ([], _VOLUME),
    "volume_mounts": ([], _VOLUME),
    "init_containers": ([], _CONTAINER),
    "extra_containers": ([], _CONTAINER),
    "extra_container_config": ({}, _CONTAINER),
    "extra_pod_config": ({}, _CONTAINER),
    "slug_scheme": ("safe", ""),
    "component_label": ("singleuser-server", ""),
    "common_labels": (
        {
            "app.kubernetes.io/name": "jupyterhub",
            "app.kubernetes.io/managed-by": "kubespawner",
            "app": "jupyterhub",
            "heritage": "jupyterhub",
        },
        "",
    ),
    "extra_labels": ({}, ""),
    "extra_annotations": ({}, ""),
    "node_selector": ({}, _NODE),
    "tolerations": ([], _NODE),
    "node_affinity_preferred": ([], _NODE),
    "node_affinity_required": ([], _NODE),
    "pod_affinity_preferred": ([], _NODE),
    "pod_affinity_required": ([], _NODE),
    "pod_anti_affinity_preferred": ([], _NODE),
    "pod_anti_affinity_required": ([], _NODE),
    "scheduler_name": (None, _NODE),
    "priority_class_name": ("", _NODE),
    "uid": (None, _SECURITY),
    "gid": (None, _SECURITY),
    "fs_gid": (None, _SECURITY),
    "supplemental_gids": ([], _SECURITY),
    "privileged": (False, _SECURITY),
    "allow_privilege_escalation": (False, _SECURITY),
    "container_security_context": ({}, _SECURITY),
    "pod_security_context": ({}, _SECURITY),
    "service_account": (None, _SECURITY),
    "automount_service_account_token": (None, _SECURITY),
    "profile_list": ([], "The form offers the profiles of the service's settings"),
}
_OTHERS: Final[Mapping[str, tuple[Any, str]]] = {
    "storage_pvc_ensure": (False, "Load plugins.storage in the settings of the service: it creates the volume claims"),
    "storage_capacity": (None, _PVC.format("capacity")),
    "storage_class": (None, _PVC.format("storage_class")),
    "storage_access_modes": (["ReadWriteOnce"], _PVC.format("access_modes")),
    "storage_selector": ({}, _PVC.format("selector")),
    "storage_extra_labels": ({}, _PVC.format("extra_labels")),
    "storage_extra_annotations": ({}, _PVC.format("extra_annotations")),
    "pvc_name_template": ("claim-{user_server}", _PVC.format("pvc_name_template")),
    "delete_pvc": (True, _PVC.format("retain")),
    "remember_pvc_name": (
        True,
        "plugins.storage.pvc_name_template gives the name of a volume claim: there is nothing to set",
    ),
    "handle_legacy_names": (True, "spawnpenny migrate moves volume claims with old names: there is nothing to set"),
    "enable_user_namespaces": (False, _NAMESPACE),
    "user_namespace_template": ("{hubnamespace}-{username}", _NAMESPACE),
    "user_namespace_labels": ({}, "The broker labels namespaces: set broker.labels in its settings"),
    "user_namespace_annotations": ({}, "The broker annotates namespaces: set broker.annotations in its settings"),
    "namespace": ("", _NAMESPACE),
    "pod_name_template": ("jupyter-{user_server}", _NAMES),
    "dns_name_template": ("{name}.{namespace}.svc.cluster.local", _NAMES),
    "secret_name_template": ("{pod_name}", _NAMES),
    "secret_mount_path": ("/etc/jupyterhub/ssl/", "Certificates are mounted at a fixed path: there is nothing to set"),
    "services_enabled": (False, _URL),
    "pod_connect_ip": ("", _URL),
    "get_pod_url": (None, _URL),
    "hub_connect_ip": ("", "Set c.JupyterHub.hub_connect_ip, or c.SpawnpennySpawner.hub_connect_url"),
    "hub_connect_port": (0, "Set c.SpawnpennySpawner.hub_connect_url"),
    "modify_pod_hook": (None, "Write a plugin of the service with the hook spawnpenny_pod_patch"),
    "after_pod_created_hook": (None, "Write a plugin of the service with the hook spawnpenny_steps"),
    "profile_form_template": ("", "The service makes the form. A plugin adds fields with the hook spawnpenny_form"),
    "additional_profile_form_template_paths": (
        [],
        "The service makes the form. A plugin adds fields with the hook spawnpenny_form",
    ),
    "k8s_api_host": ("", _API),
    "k8s_api_ssl_ca_cert": ("", _API),
    "k8s_api_verify_ssl": (None, _API),
    "k8s_api_threadpool_workers": (0, _API),
    "k8s_api_request_timeout": (3, _API),
    "k8s_api_request_retry_timeout": (30, _API),
    "events_enabled": (True, _PROGRESS),
    "delete_stopped_pods": (True, "The service deletes the pods of servers that ended: there is nothing to set"),
    "slow_spawn_message": ("", _PROGRESS),
    "slow_spawn_message_threshold": (60, _PROGRESS),
    "slow_spawn_message_frequency": (5, _PROGRESS),
}
_STATE: Final[Mapping[str, tuple[Any, str]]] = {
    "api": (None, _API),
    "dns_name": ("", _NAMES),
    "event_reflector": (None, _API),
    "events": ([], _PROGRESS),
    "pod_id": ("", _NAMES),
    "pod_name": ("", _NAMES),
    "pod_reflector": (None, _API),
    "pvc_name": ("", _PVC.format("pvc_name_template")),
    "reflectors": ({}, _API),
    "safe_chars": (frozenset("abcdefghijklmnopqrstuvwxyz0123456789"), _NAMES),
    "secret_name": ("", _NAMES),
}
"""Attributes of KubeSpawner that are not traits."""
RENAMED: Final[Mapping[str, str]] = {
    "image_spec": "image",
    "singleuser_image_spec": "image",
    **{
        f"singleuser_{name}": name
        for name in (
            *("working_dir", "service_account", "extra_labels", "extra_annotations", "image_pull_policy"),
            *("image_pull_secrets", "node_selector", "uid", "fs_gid", "supplemental_gids", "privileged"),
            *("extra_pod_config", "init_containers", "extra_container_config", "extra_containers"),
        )
    },
    **{
        f"user_{name}": name
        for name in (
            *("storage_class", "storage_pvc_ensure", "storage_capacity", "storage_extra_labels"),
            "storage_access_modes",
        )
    },
}
"""Old names that KubeSpawner still accepts."""
METHODS: Final[Mapping[str, str]] = {
    "get_pod_manifest": _MANIFEST,
    "get_pvc_manifest": _MANIFEST,
    "get_secret_manifest": _MANIFEST,
    "get_service_manifest": _MANIFEST,
    "is_pod_running": _API,
    "load_user_options": "The service applies the chosen profile: there is nothing to call",
    "pod_has_uid": _API,
    "_expand_user_properties": "The service expands templates in its own settings",
    "_expand_all": "The service expands templates in its own settings",
}
"""Methods that hooks may call."""
UNUSED: Final = ("cmd", "args", "cpu_limit", "cpu_guarantee", "mem_limit", "mem_guarantee")
"""Traits of JupyterHub itself that have no effect here."""


def _moved() -> dict[str, Moved]:
    found = {
        name: Moved(default, f"Set plugins.lab.{name} in the settings of the service", effect)
        for name, (default, effect) in _LAB.items()
    }
    found |= {name: Moved(default, place) for name, (default, place) in {**_OTHERS, **_STATE}.items()}
    return found | {old: found[name] for old, name in RENAMED.items()}


MOVED: Final[Mapping[str, Moved]] = _moved()
"""The moved names."""


def advice_for(name: str) -> str | None:
    """Return the place of a setting of KubeSpawner here; None for a name that KubeSpawner does not have."""
    if name in MOVED:
        return MOVED[name].advice
    if name in METHODS:
        return f"{METHODS[name]}."
    if name in UNUSED:
        effect = f". {_SIZE}" if name not in {"cmd", "args"} else ""
        return f"Set plugins.lab.{name} in the settings of the service{effect}."
    return None
