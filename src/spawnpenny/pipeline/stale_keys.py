"""Keys of an existing object that its new manifest no longer has: a merge patch does not remove them by itself."""

from __future__ import annotations

from typing import Final

from spawnpenny.kubernetes.interface import Manifest

_MAPS_OF_SPECS: Final = {"ResourceQuota": "hard", "NetworkPolicy": "podSelector"}
"""The maps of a spec whose keys are all ours. In the rest of a spec the API server sets defaults of its own."""


def stale_keys(manifest: Manifest, existing: Manifest) -> Manifest:
    """Return the merge patch that removes the stale keys of an existing object; empty if there are none."""
    patch: Manifest = {}
    for key in ("data", "binaryData"):
        if stale := _stale(manifest.get(key), existing.get(key)):
            patch[key] = stale
    if (inner := _MAPS_OF_SPECS.get(manifest["kind"])) is not None:
        desired_spec, existing_spec = manifest.get("spec", {}), existing.get("spec", {})
        if stale := _stale(desired_spec.get(inner), existing_spec.get(inner)):
            patch["spec"] = {inner: stale}
    return patch


def _stale(desired: Manifest | None, existing: Manifest | None) -> Manifest:
    """Return the patch that removes the keys of a map that are not desired, at any depth."""
    patch: Manifest = {}
    for key, value in sorted((existing or {}).items()):
        if key not in (desired or {}):
            patch[key] = None
        elif desired and isinstance(value, dict) and (inner := _stale(desired[key], value)):
            patch[key] = inner
    return patch
