"""Read the ``values.yaml`` of Zero to JupyterHub, whose chart sets KubeSpawner's traits from ``singleuser``.

The defaults are those of version 4 of the chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from spawnpenny.admin.migration.chart import at, read_values
from spawnpenny.admin.migration.network import network_settings
from spawnpenny.admin.migration.site import Configured
from spawnpenny.admin.migration.traits import RENAMED
from spawnpenny.admin.migration.unsupported import notes, unread
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.sources import read_yaml

TRAITS_OF_VALUES: Final = {
    "pod_name_template": "podNameTemplate",
    "start_timeout": "startTimeout",
    "image_pull_policy": "image.pullPolicy",
    "events_enabled": "events",
    "extra_labels": "extraLabels",
    "extra_annotations": "extraAnnotations",
    "uid": "uid",
    "fs_gid": "fsGid",
    "service_account": "serviceAccountName",
    "storage_extra_labels": "storage.extraLabels",
    "node_selector": "nodeSelector",
    "node_affinity_required": "extraNodeAffinity.required",
    "node_affinity_preferred": "extraNodeAffinity.preferred",
    "pod_affinity_required": "extraPodAffinity.required",
    "pod_affinity_preferred": "extraPodAffinity.preferred",
    "pod_anti_affinity_required": "extraPodAntiAffinity.required",
    "pod_anti_affinity_preferred": "extraPodAntiAffinity.preferred",
    "lifecycle_hooks": "lifecycleHooks",
    "init_containers": "initContainers",
    "extra_containers": "extraContainers",
    "mem_limit": "memory.limit",
    "mem_guarantee": "memory.guarantee",
    "cpu_limit": "cpu.limit",
    "cpu_guarantee": "cpu.guarantee",
    "extra_resource_limits": "extraResource.limits",
    "extra_resource_guarantees": "extraResource.guarantees",
    "environment": "extraEnv",
    "profile_list": "profileList",
    "extra_pod_config": "extraPodConfig",
    "cmd": "cmd",
    "default_url": "defaultUrl",
}
"""Traits that the chart sets without a change, with their keys under ``singleuser``."""
_ORIGINS: Final = {
    **TRAITS_OF_VALUES,
    "image": "image",
    "image_pull_secrets": "image.pullSecrets",
    "tolerations": "extraTolerations",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
    "volumes": "storage.extraVolumes",
    "volume_mounts": "storage.extraVolumeMounts",
    "storage_capacity": "storage.capacity",
    "storage_class": "storage.dynamic.storageClass",
    "storage_access_modes": "storage.dynamic.storageAccessModes",
    "pvc_name_template": "storage.dynamic.pvcNameTemplate",
    "plugins.namespace.network.egress": "networkPolicy.egress",
}
_USER_NODES: Final = {
    "matchExpressions": [{"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]
}


def load_values(paths: Iterable[Path]) -> Configured:
    """Return the traits of KubeSpawner that the chart would set with these files; later files override earlier ones.

    Raises:
        SettingsError: A file cannot be read, or belongs to another chart.

    """
    migrations = load_plugins(make_settings({})).chart_migrations()
    found = read_values(((path.name, read_yaml(path)) for path in paths), migrations)
    values = found.hub
    single = values.get("singleuser") or {}
    traits = {trait: value for trait, key in TRAITS_OF_VALUES.items() if (value := at(single, key)) is not None}
    traits["allow_privilege_escalation"] = single.get("allowPrivilegeEscalation")
    traits |= _image(values, single)
    traits |= _placement(values, single, traits)
    traits |= _storage(single)
    for section in ("Spawner", "KubeSpawner"):
        traits |= at(values, f"hub.config.{section}") or {}
    network = network_settings(values)
    settings = {f"plugins.namespace.network.{key}": value for key, value in network.items()}
    for migration, others in found.others:
        settings |= migration.settings(others)
    return Configured(
        {RENAMED.get(key, key): value for key, value in traits.items()},
        own_class=_own_class(values),
        unread=tuple(unread(found)),
        notes=tuple(notes(found)),
        origins={name: f"singleuser.{key}" for name, key in _ORIGINS.items()},
        settings=settings,
        hub_connect_url=_hub_connect_url(values),
    )


def _own_class(values: Mapping[str, Any]) -> str:
    name = str(at(values, "hub.config.JupyterHub.spawner_class") or "")
    return "" if name in {"", "kubespawner", "kubespawner.KubeSpawner", "spawnpenny"} else name.rpartition(".")[2]


def _hub_connect_url(values: Mapping[str, Any]) -> str | None:
    """Return the URL that the site sets, or else that of the chart's Service; the command adds the namespace."""
    for section in ("SpawnpennySpawner", "KubeSpawner", "Spawner", "JupyterHub"):
        if url := at(values, f"hub.config.{section}.hub_connect_url"):
            return str(url)
    name = values.get("fullnameOverride")
    return f"http://{name}-hub:8081" if name else None


def _image(values: Mapping[str, Any], single: Mapping[str, Any]) -> dict[str, Any]:
    name, tag = at(single, "image.name"), at(single, "image.tag")
    secrets = [*(values.get("imagePullSecrets") or ()), *(at(single, "image.pullSecrets") or ())]
    if at(values, "imagePullSecret.create") and at(values, "imagePullSecret.automaticReferenceInjection"):
        secrets.insert(0, "image-pull-secret")
    found: dict[str, Any] = {"image": f"{name}:{tag}" if tag else name} if name else {}
    return {**found, "image_pull_secrets": secrets} if secrets else found


def _placement(values: Mapping[str, Any], single: Mapping[str, Any], traits: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    scheduling = values.get("scheduling") or {}
    tolerations = [*(at(scheduling, "userPods.tolerations") or ()), *(single.get("extraTolerations") or ())]
    if tolerations:
        found["tolerations"] = tolerations
    purpose = at(scheduling, "userPods.nodeAffinity.matchNodePurpose")
    if purpose == "prefer":
        preferred = traits.get("node_affinity_preferred") or []
        found["node_affinity_preferred"] = [*preferred, {"weight": 100, "preference": _USER_NODES}]
    elif purpose == "require":
        found["node_affinity_required"] = [*(traits.get("node_affinity_required") or []), _USER_NODES]
    return found


def _storage(single: Mapping[str, Any]) -> dict[str, Any]:
    """Return the traits of volumes: maps with the chart's own keys, as profiles may override single entries."""
    storage = single.get("storage") or {}
    volumes, mounts, found = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    kind = storage.get("type")
    if kind == "dynamic":
        name = at(storage, "dynamic.volumeNameTemplate") or "volume-{user_server}"
        given = {
            "pvc_name_template": at(storage, "dynamic.pvcNameTemplate"),
            "storage_class": at(storage, "dynamic.storageClass"),
            "storage_access_modes": at(storage, "dynamic.storageAccessModes"),
            "storage_capacity": storage.get("capacity"),
        }
        found = {"storage_pvc_ensure": True, **{key: value for key, value in given.items() if value is not None}}
        volumes[name], mounts[name] = _home(storage, name, "{pvc_name}", at(storage, "dynamic.subPath"))
    elif kind == "static":
        claim = at(storage, "static.pvcName")
        volumes["home"], mounts["home"] = _home(storage, "home", claim, at(storage, "static.subPath"))
    volumes |= _by_key(storage.get("extraVolumes"), lambda _, volume: str(volume.get("name")))
    mounts |= _by_key(storage.get("extraVolumeMounts"), lambda number, mount: f"{number}-{mount.get('name')}")
    return {**found, **{key: entries for key, entries in (("volumes", volumes), ("volume_mounts", mounts)) if entries}}


def _home(storage: Mapping[str, Any], name: str, claim: Any, sub_path: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    mount = {"name": name, "mountPath": storage.get("homeMountPath"), "subPath": sub_path}
    volume = {"name": name, "persistentVolumeClaim": {"claimName": claim}}
    return volume, {key: value for key, value in mount.items() if value}


def _by_key(value: Any, key: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    entries = enumerate(value) if isinstance(value, list) else ()
    return {key(number, entry) if isinstance(entry, Mapping) else str(number): entry for number, entry in entries}
