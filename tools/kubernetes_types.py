"""Write the types of what a pod's spec is made of, out of the installed Kubernetes client.

Run it after an update of the client: ``python tools/kubernetes_types.py``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from kubernetes_asyncio import client

TARGET = Path(__file__).parents[1] / "src/spawnpenny/domain/kubernetes_types.json"
ROOTS = ("V1PodSpec",)
INNER = re.compile(r"(?:list\[|dict\(str, )(.*)[\])]")


def kubernetes_types() -> dict[str, dict[str, str]]:
    """Return the fields of each type that a pod's spec leads to, with the type that they have, if that is an object."""
    types: dict[str, dict[str, str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in types:
            continue
        model = getattr(client, name)
        types[name] = {}
        for attribute, field in sorted(model.attribute_map.items()):
            kind = model.openapi_types[attribute]
            inner = INNER.fullmatch(kind)
            kind = inner[1] if inner else kind
            known = hasattr(client, kind)
            types[name][field] = kind if known else ""
            waiting += [kind] if known else []
    return {name: types[name] for name in sorted(types)}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(kubernetes_types(), separators=(",", ":")) + "\n")
