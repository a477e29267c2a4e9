"""The volume claim, and its mount: pure functions of the spawn and the settings."""

from __future__ import annotations

from typing import Any, Final

from spawnpenny.api import LAB_LABEL, NOTEBOOK, Manifest, PlannedSpawn, expand, expand_all, format_quantity
from spawnpenny_storage.settings import StorageSettings

VOLUME: Final = "storage"
LAB_NAME: Final = "spawnpenny.io/lab-name"


def claim_name(spawn: PlannedSpawn, settings: StorageSettings) -> str:
    """Return the name of the claim that a lab mounts."""
    return expand(settings.template, spawn.fields)


def claim(spawn: PlannedSpawn, settings: StorageSettings) -> Manifest:
    """Return the claim of a lab, or of its user: one with the lab's label is that lab's alone."""
    labels = {"app": "jupyterhub", "component": "singleuser-storage", "hub.jupyter.org/username": spawn.names.user}
    annotations = expand_all(settings.extra_annotations, spawn.fields)
    if settings.per == "lab":
        labels |= {"hub.jupyter.org/servername": spawn.names.lab}
        annotations[LAB_NAME] = spawn.name
    labels |= expand_all(settings.extra_labels, spawn.fields)
    labels |= owner(spawn, settings)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim_name(spawn, settings), "labels": labels, "annotations": annotations},
        "spec": _spec(spawn, settings),
    }


def owner(spawn: PlannedSpawn, settings: StorageSettings) -> dict[str, str]:
    """Return the label that says whose a claim is, beside the ownership labels."""
    return {LAB_LABEL: spawn.names.lab} if settings.per == "lab" else {}


def mount(spawn: PlannedSpawn, settings: StorageSettings) -> Manifest:
    """Return what to merge into a lab's pod: the volume, and its mount in the lab's own container."""
    place: dict[str, Any] = {"name": VOLUME, "mountPath": expand(settings.mount_path, spawn.fields)}
    if settings.sub_path:
        place["subPath"] = expand(settings.sub_path, spawn.fields)
    if settings.read_only:
        place["readOnly"] = True
    source = {"persistentVolumeClaim": {"claimName": claim_name(spawn, settings)}}
    return {
        "spec": {
            "volumes": [{"name": VOLUME, **source}],
            "containers": [{"name": NOTEBOOK, "volumeMounts": [place]}],
        }
    }


def mounts(pod: Manifest, name: str) -> bool:
    """Return whether a pod has a claim, and is not over."""
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return False
    volumes = pod["spec"].get("volumes") or ()
    return any((volume.get("persistentVolumeClaim") or {}).get("claimName") == name for volume in volumes)


def _spec(spawn: PlannedSpawn, settings: StorageSettings) -> Manifest:
    spec: dict[str, Any] = {
        "accessModes": list(settings.access_modes),
        "resources": {"requests": {"storage": format_quantity(settings.capacity)}},
    }
    if settings.storage_class is not None:  # an empty one asks for a volume that is there, without a class
        spec["storageClassName"] = settings.storage_class
    if settings.selector:
        spec["selector"] = expand_all(settings.selector, spawn.fields)
    return spec
