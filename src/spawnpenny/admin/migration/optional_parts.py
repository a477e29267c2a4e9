"""The parts of KubeSpawner's traits that can be left out one by one.

A container, a volume or a term of an affinity is kept or left out as a whole: without one of its keys it would mean
something else. The same holds for a profile or a choice, except for its overrides: without a key that limits it, it
would be open to more users than before.
"""

from __future__ import annotations

from typing import Final

from spawnpenny.admin.migration.pruning import ATOM, Shape

_ENTRIES: Final = Shape(rest=ATOM)
_NESTED: Final = Shape(rest=_ENTRIES)
_SEVERAL: Final = (
    "environment",
    "lifecycle_hooks",
    "common_labels",
    "extra_labels",
    "extra_annotations",
    "extra_resource_limits",
    "extra_resource_guarantees",
    "image_pull_secrets",
    "supplemental_gids",
    "volumes",
    "volume_mounts",
    "init_containers",
    "extra_containers",
    "node_selector",
    "tolerations",
    "node_affinity_preferred",
    "node_affinity_required",
    "pod_affinity_preferred",
    "pod_affinity_required",
    "pod_anti_affinity_preferred",
    "pod_anti_affinity_required",
    "container_security_context",
    "pod_security_context",
    "storage_extra_labels",
    "storage_extra_annotations",
)
_OBJECTS: Final = ("extra_pod_config", "extra_container_config")
_OF_TRAITS: Final = {**dict.fromkeys(_SEVERAL, _ENTRIES), **dict.fromkeys(_OBJECTS, _NESTED)}

OVERRIDE: Final = Shape(parts=_OF_TRAITS, rest=ATOM)
_CHOICE: Final = Shape(parts={"kubespawner_override": OVERRIDE})
_OPTION: Final = Shape(
    parts={"choices": Shape(rest=_CHOICE), "unlisted_choice": _CHOICE},
    optional=frozenset({"unlisted_choice"}),
)
PROFILE: Final = Shape(parts={"kubespawner_override": OVERRIDE, "profile_options": Shape(rest=_OPTION)})

TRAIT_SHAPES: Final = {**_OF_TRAITS, "profile_list": Shape(rest=PROFILE)}
"""The shapes of traits; all others are atoms."""
_LATE: Final = ("volume_mounts", "init_containers", "extra_containers", *_OBJECTS, "profile_list")
LAB: Final = Shape(parts=TRAIT_SHAPES, rest=ATOM, late=_LATE)
STORAGE: Final = Shape(parts={"extra_labels": _ENTRIES, "extra_annotations": _ENTRIES}, rest=ATOM)
NAMESPACE: Final = Shape(parts={"network": Shape(parts={"egress": _ENTRIES}, rest=ATOM)}, rest=ATOM)
"""The shape of the section of the plugin namespace."""
SECTION: Final = _ENTRIES
"""The shape of all other sections."""
