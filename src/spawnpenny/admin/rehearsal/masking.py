"""Manifests without the secrets in them."""

from __future__ import annotations

import base64
from typing import Final

from spawnpenny.cluster.port import Manifest

MASK: Final = "(secret)"
_ENCODED: Final = base64.b64encode(MASK.encode()).decode()


def masked(manifest: Manifest) -> Manifest:
    """Return a manifest to show: the values of a Secret are masked, its keys are not."""
    if manifest["kind"] != "Secret":
        return manifest
    shown = dict(manifest)
    for part, value in (("stringData", MASK), ("data", _ENCODED)):
        if manifest.get(part):
            shown[part] = dict.fromkeys(manifest[part], value)
    return shown
