"""Reads the ``values.yaml`` of Zero to JupyterHub, whose chart sets KubeSpawner's traits from ``singleuser``.

As of the chart's version 4: what a site has not set is what the chart has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from spawnpenny.migration.loading import Configured
from spawnpenny.migration.traits import RENAMED
from spawnpenny.sources import read_yaml

_TRAITS: Final = {
    "start_timeout": "startTimeout",
    "image_pull_policy": "image.pullPolicy",
    "extra_labels": "extraLabels",
    "extra_annotations": "extraAnnotations",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
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
_CHART: Final[Mapping[str, Any]] = {
    "start_timeout": 300,
    "extra_labels": {"hub.jupyter.org/network-access-hub": "true"},
    "uid": 1000,
    "fs_gid": 100,
    "mem_guarantee": "1G",
    "cmd": "jupyterhub-singleuser",
}
_MERGED: Final = frozenset({"extra_labels"})
_USER_NODES: Final = {
    "matchExpressions": [{"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}]
}
_TEMPLATE: Final = "claim-{user_server}"


def load_values(path: Path) -> Configured:
    """Return what the chart would set of KubeSpawner's traits.

    Raises:
        SettingsError: The file cannot be read.

    """
    values = read_yaml(path)
    single = _at(values, "singleuser") or {}
    traits: dict[str, Any] = dict(_CHART)
    for trait, key in _TRAITS.items():
        value = _at(single, key)
        if value is not None:
            traits[trait] = {**traits[trait], **value} if trait in _MERGED else value
    traits |= _image(values, single)
    traits |= _placement(values, single, traits)
    traits |= _volumes(single)
    for section in ("Spawner", "KubeSpawner"):
        traits |= _at(values, f"hub.config.{section}") or {}
    return Configured(
        {RENAMED.get(key, key): value for key, value in traits.items()},
        unread=tuple(_unread(values)),
        remarks=tuple(_remarks(values, single)),
    )


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _image(values: Mapping[str, Any], single: Mapping[str, Any]) -> dict[str, Any]:
    name, tag = _at(single, "image.name"), _at(single, "image.tag")
    secrets = [*(values.get("imagePullSecrets") or ()), *(_at(single, "image.pullSecrets") or ())]
    if _at(values, "imagePullSecret.create"):
        secrets.insert(0, "image-pull-secret")
    found: dict[str, Any] = {"image": f"{name}:{tag}" if tag else name} if name else {}
    return {**found, "image_pull_secrets": secrets} if secrets else found


def _placement(values: Mapping[str, Any], single: Mapping[str, Any], traits: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    scheduling = values.get("scheduling") or {}
    tolerations = [*(_at(scheduling, "userPods.tolerations") or ()), *(single.get("extraTolerations") or ())]
    if tolerations:
        found["tolerations"] = tolerations
    purpose = _at(scheduling, "userPods.nodeAffinity.matchNodePurpose") or "prefer"
    if purpose == "prefer":
        preferred = traits.get("node_affinity_preferred") or []
        found["node_affinity_preferred"] = [*preferred, {"weight": 100, "preference": _USER_NODES}]
    elif purpose == "require":
        found["node_affinity_required"] = [*(traits.get("node_affinity_required") or []), _USER_NODES]
    return found


def _volumes(single: Mapping[str, Any]) -> dict[str, Any]:
    storage = single.get("storage") or {}
    kind = storage.get("type") or "dynamic"
    volumes, mounts, found = [], [], dict[str, Any]()
    mount = {"mountPath": storage.get("homeMountPath") or "/home/jovyan"}
    if kind == "dynamic":
        template = _at(storage, "dynamic.pvcNameTemplate") or _TEMPLATE
        modes = _at(storage, "dynamic.storageAccessModes") or ["ReadWriteOnce"]
        found = {
            "storage_pvc_ensure": True,
            "pvc_name_template": template,
            "storage_capacity": storage.get("capacity") or "10Gi",
            "storage_access_modes": modes,
        }
        if (storage_class := _at(storage, "dynamic.storageClass")) is not None:
            found["storage_class"] = storage_class
        volumes.append({"name": "home", "persistentVolumeClaim": {"claimName": template}})
        mounts.append({"name": "home", **mount, **_sub_path(_at(storage, "dynamic.subPath"))})
    elif kind == "static":
        volumes.append({"name": "home", "persistentVolumeClaim": {"claimName": _at(storage, "static.pvcName")}})
        mounts.append({"name": "home", **mount, **_sub_path(_at(storage, "static.subPath") or "{username}")})
    volumes += _listed(storage.get("extraVolumes"))
    mounts += _listed(storage.get("extraVolumeMounts"))
    return {**found, "volumes": volumes, "volume_mounts": mounts}


def _sub_path(path: str | None) -> dict[str, str]:
    return {"subPath": path} if path else {}


def _listed(value: Any) -> list[Any]:
    return [value[key] for key in sorted(value)] if isinstance(value, Mapping) else list(value or ())


def _unread(values: Mapping[str, Any]) -> Iterator[str]:
    for name in _at(values, "hub.extraConfig") or {}:
        yield (
            f"hub.extraConfig.{name}: it is Python, and was not looked at. Where it sets KubeSpawner's traits, put "
            "them into a jupyterhub_config.py and carry that over as well."
        )


def _remarks(values: Mapping[str, Any], single: Mapping[str, Any]) -> Iterator[str]:
    if _at(single, "cloudMetadata.blockWithIptables") is not False:
        yield (
            "singleuser.cloudMetadata: the privileged container that keeps labs from the cloud's metadata is not "
            "carried: the NetworkPolicy in each user's namespace does that, where the cluster's network enforces it."
        )
    if single.get("networkPolicy"):
        yield "singleuser.networkPolicy: say in plugins.namespace.network what labs may reach; its README has the keys."
    if single.get("extraFiles"):
        yield "singleuser.extraFiles: make a Secret or ConfigMap with them by a plugin's step, and mount it."
    if _at(values, "scheduling.userScheduler.enabled") is not False:
        yield (
            "scheduling.userScheduler: labs are placed by the cluster's own scheduler; to have them placed by the "
            "chart's, keep that, and set scheduler_name, as <release>-user-scheduler."
        )
    if _at(values, "scheduling.podPriority.enabled"):
        yield "scheduling.podPriority: set priority_class_name to the chart's class, as <release>-default-priority."
