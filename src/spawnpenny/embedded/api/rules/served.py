"""Limits of the embedded cluster: valid features of pods that its node does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.embedded.api.rules.fault import Fault

SERVED_VOLUMES: Final = frozenset({"configMap", "emptyDir", "persistentVolumeClaim", "secret"})


def faults_of_unserved(spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the features of a pod that the node here will never provide, so that nobody waits for them."""
    for volume in spec.get("volumes") or ():
        kinds = sorted(volume.keys() - {"name"})
        if kinds and (not set(kinds) & SERVED_VOLUMES or len(kinds) > 1):
            yield Fault(
                "spec.volumes",
                f"{volume.get('name')} is of the kind {', '.join(kinds)}, which the embedded cluster cannot mount: it "
                f"has {', '.join(sorted(SERVED_VOLUMES))}",
                str(volume.get("name")),
            )
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for mount in container.get("volumeMounts") or ():
            if mount.get("subPathExpr"):
                yield Fault(
                    "spec.containers",
                    f"{container['name']} has a subPathExpr, which the embedded cluster does not expand",
                    "subPathExpr",
                )
