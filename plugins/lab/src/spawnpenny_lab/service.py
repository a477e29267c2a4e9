"""The Service of one lab: a name, known before there is a pod, that a certificate can be made out for."""

from __future__ import annotations

from typing import Final

from spawnpenny.api import NOTEBOOK, SPAWN_LABEL, Manifest, Names, PlannedSpawn

SERVICE: Final = "spawnpenny.io/service"
"""A label of the pod that a Service leads to: a spawn may have other pods."""
URL: Final = "spawnpenny.io/url"
"""An annotation of the pod: where it answers. What is found running after a restart is asked for it."""


def service_name(names: Names) -> str:
    """Return the name of a lab's Service: a DNS label, as slugs are."""
    return names.base


def lab_service(spawn: PlannedSpawn, port: int) -> Manifest:
    """Return the Service that leads to this spawn's lab, and to no other pod."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service_name(spawn.names)},
        "spec": {
            "type": "ClusterIP",
            "selector": {SPAWN_LABEL: spawn.id, SERVICE: service_name(spawn.names)},
            "ports": [{"name": NOTEBOOK, "port": port, "targetPort": port}],
            # Or a caller that hears that the lab is ready could connect before the Service exists.
            "publishNotReadyAddresses": True,
        },
    }


def lab_url(spawn: PlannedSpawn, port: int, base_url: str) -> str:
    """Return where the lab will answer."""
    return f"https://{spawn.service_host(service_name(spawn.names))}:{port}{base_url}"
