"""Pods of somebody else, as a cluster's other users make them."""

from __future__ import annotations

from typing import Any

from spawnpenny.kubernetes.interface import Manifest


def foreign_pod(name: str, namespace: str, *, image: str = "spawnpenny/lab", **container: Any) -> Manifest:
    """Return a pod that nothing of spawnpenny made, and that the pod security level ``restricted`` lets in.

    ``container`` are further fields of its one container.
    """
    confined = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    only = {"name": "foreign", "image": image, "securityContext": confined, **container}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [only]}}
