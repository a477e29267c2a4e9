"""The way to a user's Ray cluster: one token and one Service, which exist before the first lab and cluster.

A lab finds both in its environment, so that a cluster that starts later is reached by ``ray.init()``.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import Final

from spawnpenny.api import Manifest, PlannedSpawn, Spawn, Step, allow

NAME: Final = "spawnpenny-ray"
"""The name of both objects in the user's namespace."""
TOKEN: Final = "token"  # noqa: S105 - the key in the Secret, and the name of a file
_SAMPLE: Final = "made-at-the-first-spawn"
FOLDER: Final = "/etc/spawnpenny-ray"
CLIENT_PORT: Final = 10001
DASHBOARD_PORT: Final = 8265
GCS_PORT: Final = 6379
AGENT_PORT: Final = 52365
HEAD_LABELS: Final = {"app.kubernetes.io/name": "ray", "app.kubernetes.io/component": "head"}
_FIRST_SHARED_PORT: Final = 24_000
_SHARED_PORTS: Final = 4_000
"""Ports that neither Ray nor Linux gives to other programs by itself."""


class AccessStep(Step):
    """Keep the token and the Service of the user's Ray cluster."""

    name = "ray.access"
    kinds = frozenset({"lab", "ray"})
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"lab"})
    permissions = (
        allow("create", "get", on="secrets"),
        allow("create", "patch", on="services"),
    )

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        """Return Secret and Service; a sample stands for the token, which ``apply`` makes once."""
        del spawn
        return [token_secret(_SAMPLE), head_service()]

    async def apply(self, spawn: Spawn) -> None:
        token = secrets.token_urlsafe(32)
        await spawn.cluster.ensure(token_secret(token), patch=False)  # running labs and clusters have the existing one
        await spawn.cluster.ensure(head_service())


def token_secret(token: str) -> Manifest:
    """Return the Secret with the token that opens the clusters of one user."""
    metadata = {"name": NAME}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "stringData": {TOKEN: token}}


def head_service() -> Manifest:
    """Return the Service that leads to the head of the user's cluster; a user has at most one."""
    ports = {"client": CLIENT_PORT, "dashboard": DASHBOARD_PORT, "gcs": GCS_PORT}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {
            "type": "ClusterIP",
            "selector": dict(HEAD_LABELS),
            "ports": [{"name": name, "port": port, "targetPort": port} for name, port in ports.items()],
        },
    }


def client_url(spawn: PlannedSpawn) -> str:
    """Return the address for ``ray.init``."""
    return f"ray://{spawn.service_host(NAME)}:{CLIENT_PORT}"


def dashboard_url(spawn: PlannedSpawn) -> str:
    """Return the address of dashboard and jobs API."""
    return f"http://{spawn.service_host(NAME)}:{DASHBOARD_PORT}"


def gcs_port(spawn: PlannedSpawn) -> int:
    """Return the port on which a head serves its workers, on all addresses of its machine.

    Each user's head on the embedded cluster has another port, which follows from the address of the Service.
    """
    address = _loopback(spawn)
    return GCS_PORT if address is None else _FIRST_SHARED_PORT + address % _SHARED_PORTS


def agent_port(spawn: PlannedSpawn) -> int:
    """Return the port on which the agent of a head's node says whether that node is healthy.

    An agent listens on its pod's address and on localhost, which pods of the embedded cluster share, too.
    """
    return gcs_port(spawn) + _SHARED_PORTS if shares_ports(spawn) else AGENT_PORT


def shares_ports(spawn: PlannedSpawn) -> bool:
    """Return whether pods share the ports of one machine, as those of the embedded cluster do."""
    return _loopback(spawn) is not None


def _loopback(spawn: PlannedSpawn) -> int | None:
    """Return the address of the Service if it is one, as on the embedded cluster, and not a name in a DNS."""
    try:
        return int(ipaddress.ip_address(spawn.service_host(NAME)))
    except ValueError:
        return None


def token_volume() -> Manifest:
    """Return the volume of a pod with the token."""
    items = [{"key": TOKEN, "path": TOKEN}]
    return {"name": NAME, "secret": {"secretName": NAME, "defaultMode": 0o440, "items": items}}


def token_mount() -> Manifest:
    """Return the mount of a container with the token."""
    return {"name": NAME, "mountPath": FOLDER, "readOnly": True}


def token_variables() -> dict[str, str]:
    """Return the variables by which Ray requires and finds the token."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": f"{FOLDER}/{TOKEN}"}
