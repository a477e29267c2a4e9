"""Placement of a lab's pod on nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spawnpenny.api import Manifest
from spawnpenny_lab.template import Entries, Template

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def placement(template: Template) -> Manifest:
    """Return the part of a pod's spec that schedulers read."""
    return filled(
        {
            "nodeSelector": dict(template.node_selector),
            "tolerations": listed(template.tolerations),
            "affinity": _affinity(template),
            "schedulerName": template.scheduler_name,
            "priorityClassName": template.priority_class_name,
        }
    )


def listed(entries: Entries) -> list[Mapping[str, Any]]:
    """Return entries as a list: a map's values, in the order of its keys."""
    return [entries[key] for key in sorted(entries)] if isinstance(entries, Mapping) else list(entries)


def filled(part: Mapping[str, Any]) -> Manifest:
    """Leave out what is empty."""
    return {key: value for key, value in part.items() if value}


def _affinity(template: Template) -> Manifest:
    terms = listed(template.node_affinity_required)
    node = {
        _REQUIRED: {"nodeSelectorTerms": terms} if terms else {},
        _PREFERRED: listed(template.node_affinity_preferred),
    }
    pod = {_REQUIRED: listed(template.pod_affinity_required), _PREFERRED: listed(template.pod_affinity_preferred)}
    anti = {
        _REQUIRED: listed(template.pod_anti_affinity_required),
        _PREFERRED: listed(template.pod_anti_affinity_preferred),
    }
    return filled({"nodeAffinity": filled(node), "podAffinity": filled(pod), "podAntiAffinity": filled(anti)})
