"""Mask the values of Secrets in manifests that are shown."""

from __future__ import annotations

import base64
import json
from typing import Final

from spawnpenny.kubernetes.interface import Manifest

MASK: Final = "(secret)"
_ENCODED: Final = base64.b64encode(MASK.encode()).decode()


def redacted(manifest: Manifest) -> Manifest:
    """Return a manifest to show: the values of a Secret are masked, but not its keys."""
    shown: Manifest = json.loads(json.dumps(manifest))  # plain data, even if a plugin used other types
    if manifest["kind"] != "Secret":
        return shown
    for part, value in (("stringData", MASK), ("data", _ENCODED)):
        if manifest.get(part):
            shown[part] = dict.fromkeys(manifest[part], value)
    return shown
