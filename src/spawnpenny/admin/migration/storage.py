"""Carry over the user's own volume claim: one of many volumes in KubeSpawner, here made by the plugin storage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.admin.migration.carried import Carried
from spawnpenny.admin.migration.slugs import LAB
from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.templates import expand, template_fields

VOLUME: Final = "storage"
"""The name of the plugin's volume."""
TEMPLATE: Final = "claim-{user_server}"
_KEYS: Final = {
    "storage_capacity": "capacity",
    "storage_class": "storage_class",
    "storage_access_modes": "access_modes",
    "storage_selector": "selector",
    "storage_extra_labels": "extra_labels",
    "storage_extra_annotations": "extra_annotations",
}
_SERVER: Final = re.compile(r"\{(?:safe_|escaped_|unescaped_)?(?:servername|user_server)\}|\{pod_name\}")
_DOUBLED: Final = re.compile(r"\{(\{\w+\})\}")
_CONTAINERS: Final = ("init_containers", "extra_containers", "extra_container_config", "extra_pod_config")
_PLAIN: Final = re.compile(r"\{(username|servername|user_server)\}")


def carry_storage(traits: dict[str, Any], carried: Carried) -> None:
    """Move the traits of the user's own claim into the section of the plugin storage."""
    template = _template(traits, carried)
    ensure = traits.pop("storage_pvc_ensure", False)
    section = {key: traits.pop(name) for name, key in _KEYS.items() if name in traits}
    section = {key: value for key, value in section.items() if value is not None}
    deletes = traits.pop("delete_pvc", True)
    volume = _own_volume(traits.get("volumes"), template)
    if not ensure and volume is None:
        return
    if volume is None:
        carried.notes.append(
            "storage_pvc_ensure: the site makes the claim but mounts it nowhere; the plugin storage mounts it at "
            "/home/jovyan. If you do not want that, remove the plugin, and name the claim in a volume."
        )
    else:
        section |= _take_mounts(traits, volume)
    if not ensure:
        carried.notes.append(
            "volumes: KubeSpawner did not make the users' own claims. From now on, the plugin storage makes them."
        )
    section["per"] = "lab" if _SERVER.search(template) else "user"
    section["pvc_name_template"] = _PLAIN.sub(r"{escaped_\1}", template) if _is_legacy(traits) else template
    section["retain"] = not deletes
    carried.put("plugins.storage", section)


def _template(traits: dict[str, Any], carried: Carried) -> str:
    template = traits.pop("pvc_name_template", None) or TEMPLATE
    if isinstance(template, str):
        return template
    carried.lose("pvc_name_template", "it is not a text", f"Claims get KubeSpawner's default name, {TEMPLATE}.")
    return TEMPLATE


def _is_legacy(traits: Mapping[str, Any]) -> bool:
    return bool(traits.get("slug_scheme") == "escape")


def _own_volume(volumes: Any, template: str) -> str | None:
    """Return the name of the volume that is the user's own claim."""
    for volume in entries(volumes):
        claim = volume.get("persistentVolumeClaim") or volume.get("persistent_volume_claim") or {}
        name = claim.get("claimName") or claim.get("claim_name")
        if name == "{pvc_name}" or _is_same(name, template):
            return str(volume.get("name"))
    return None


def _is_same(name: Any, other: str) -> bool:
    """Return whether two templates give the same name; older versions of the chart write them differently."""
    return name == other or (isinstance(name, str) and _of_somebody(name) == _of_somebody(other))


def _of_somebody(template: str) -> str:
    user = "somebody"
    fields = template_fields(user, DEFAULT_LAB, Names.of(user, LAB, DEFAULT_LAB, prefix=""))
    try:
        return expand(_DOUBLED.sub(r"\1", template), fields)
    except ValueError:
        return template


def _take_mounts(traits: dict[str, Any], volume: str) -> dict[str, Any]:
    """Remove the volume and its first mount; other mounts of it get the name of the plugin's volume."""
    _drop(traits, "volumes", lambda entry: _is_same(entry.get("name"), volume))
    for key in ("volume_mounts", *_CONTAINERS):
        if key in traits:
            traits[key] = _renamed(traits[key], volume)
    mounts = [entry for entry in entries(traits.get("volume_mounts")) if entry.get("name") == VOLUME]
    first = mounts[0] if mounts else {}
    _drop(traits, "volume_mounts", lambda mount: mount is first)
    if "profile_list" in traits:
        traits["profile_list"] = _renamed(traits["profile_list"], volume)
        for override in _overrides(traits["profile_list"]):
            _drop(override, "volumes", lambda entry: _is_same(entry.get("name"), volume))
            _drop(override, "volume_mounts", lambda mount: mount.get("name") == VOLUME and _path(mount) == _path(first))
    found = {
        "mount_path": _path(first),
        "sub_path": first.get("subPath") or first.get("sub_path"),
        "read_only": first.get("readOnly") or first.get("read_only"),
    }
    return {key: value for key, value in found.items() if value}


def _path(mount: Mapping[str, Any]) -> Any:
    return mount.get("mountPath") or mount.get("mount_path")


def _overrides(value: Any) -> list[dict[str, Any]]:
    """Return the overrides of profiles and of their choices, at any depth."""
    if isinstance(value, list):
        return [found for inner in value for found in _overrides(inner)]
    if not isinstance(value, Mapping):
        return []
    own = value.get("kubespawner_override")
    found = [own] if isinstance(own, dict) else []
    return [
        *found,
        *(override for key, inner in value.items() if key != "kubespawner_override" for override in _overrides(inner)),
    ]


def entries(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, or of a map in the order of its keys."""
    found = [value[key] for key in sorted(value)] if isinstance(value, Mapping) else value or []
    return [entry for entry in found if isinstance(entry, dict)]


def _drop(traits: dict[str, Any], key: str, unwanted: Any) -> None:
    value = traits.get(key)
    if isinstance(value, Mapping):
        traits[key] = {name: entry for name, entry in value.items() if not _is_unwanted(entry, unwanted)}
    elif isinstance(value, list):
        traits[key] = [entry for entry in value if not _is_unwanted(entry, unwanted)]


def _is_unwanted(value: Any, unwanted: Any) -> bool:
    """Return whether to remove an entry; one that is not a map stays, and the service refuses it by its place."""
    return isinstance(value, Mapping) and bool(unwanted(value))


def _renamed(value: Any, volume: str) -> Any:
    """Return mounts, or containers with mounts, with the name of the plugin's volume instead of this volume's."""
    if isinstance(value, Mapping):
        is_mount = bool({"mountPath", "mount_path"} & value.keys())
        return {
            key: VOLUME if is_mount and key == "name" and _is_same(inner, volume) else _renamed(inner, volume)
            for key, inner in value.items()
        }
    return [_renamed(inner, volume) for inner in value] if isinstance(value, list) else value
