"""Redact Secrets in manifests that are shown."""

from __future__ import annotations

import base64
import json
from typing import Final

from spawnpenny.kubernetes.interface import Manifest

MASK: Final = "(secret)"
_ENCODED: Final = base64.b64encode(MASK.encode()).decode()


def redacted(manifest: Manifest) -> Manifest:
    """Return a manifest to show: the values of a Secret are masked, its keys are not."""
    shown: Manifest = json.loads(json.dumps(manifest))  # plain data, whatever a plugin made it of
    if manifest["kind"] != "Secret":
        return shown
    for part, value in (("stringData", MASK), ("data", _ENCODED)):
        if manifest.get(part):
            shown[part] = dict.fromkeys(manifest[part], value)
    return shown
