"""Resources that settings write into containers and pods, beside the keys that are for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spawnpenny.api import Manifest, SettingsError, resources_fault


def wrong_resources(data: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with resources that stand in containers and in the pod's own configuration, by key."""
    errors: dict[str, str] = {}
    pod = data.get("extra_pod_config", {})
    if pod.get("resources"):
        errors["extra_pod_config"] = (
            "resources: those of a whole pod are in no quota, and the lab does not see them. Write cpu_limit, "
            "mem_limit, cpu_guarantee and mem_guarantee, and resources for each further container."
        )
    further = {"limits": data.get("extra_resource_limits", {}), "requests": data.get("extra_resource_guarantees", {})}
    if wrong := resources_fault({"resources": further}):
        part = "limits" if wrong.startswith("resources.limits") else "guarantees"
        errors[f"extra_resource_{part}"] = wrong
    if wrong := resources_fault(data.get("extra_container_config", {})):
        errors["extra_container_config"] = wrong
    for key in ("init_containers", "extra_containers"):
        entries = data.get(key, ())
        for place, container in entries.items() if isinstance(entries, Mapping) else enumerate(entries):
            if wrong := resources_fault(container):
                errors[key] = f"{place}: {wrong}"
    return errors


def demand_sound_resources(pod: Manifest, place: str) -> None:
    """Refuse a pod with a container whose resources contradict each other.

    Raises:
        SettingsError: Which container, and how; ``place`` is where the settings of this pod stand.

    """
    for kind in ("initContainers", "containers"):
        for container in pod["spec"].get(kind) or ():
            if wrong := resources_fault(container):
                section = f"plugins.lab.{place}".removesuffix(".")
                raise SettingsError(f"By {section} the container {container['name']} has {wrong}")
