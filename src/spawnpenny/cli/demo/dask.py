"""The demo's Dask: the proxy as a pod of the embedded cluster, and a cell for users."""

from __future__ import annotations

import importlib.util
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.cli.demo.pods import env_of, reserve_port, run_pod

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Cluster, Manifest

PROXY_IMAGE: Final = "spawnpenny/proxy"
PROXY_COMMAND: Final = ("{python}", "-m", "spawnpenny", "proxy")
PROXY_SCOPES: Final = ("routes",)
CELL: Final = """\
from dask_gateway import Gateway

cluster = Gateway().new_cluster()
cluster.scale(2)
client = cluster.get_client()
client.wait_for_workers(2)
client.submit(sum, client.map(pow, range(100), [2] * 100)).result()"""
"""The cell that a user of the demo runs in a lab."""

_NAME: Final = "proxy"
_NAMESPACE: Final = "spawnpenny"
_HOST: Final = "127.0.0.1"
_NEEDS: Final = ("spawnpenny_dask", "distributed", "dask_gateway")


def missing_requirement() -> str | None:
    """Return the reason why Dask cannot run here; None if it can."""
    missing = [name.replace("_", "-") for name in _NEEDS if importlib.util.find_spec(name) is None]
    return f"{missing[0]} is not installed: pip install 'spawnpenny[demo]' spawnpenny-dask" if missing else None


@dataclass(frozen=True)
class DemoDask:
    """The addresses of the demo's Dask gateway and proxy, for a service on a port."""

    service_port: int
    port: int = field(default_factory=lambda: reserve_port(0))
    dashboard_port: int = field(default_factory=lambda: reserve_port(0))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def dashboards(self) -> str:
        return f"http://{_HOST}:{self.dashboard_port}"

    @property
    def settings(self) -> dict[str, Any]:
        """The section ``gateway`` of the service's settings."""
        return {
            "address": f"http://{_HOST}:{self.service_port}",
            "proxy_address": f"{_HOST}:{self.port}",
            "public_address": self.dashboards,
        }

    async def start(self, cluster: Cluster) -> None:
        """Start the proxy, and wait until it listens.

        Raises:
            CommandError: The proxy has ended instead.

        """
        metadata = {"name": _NAME, "namespace": _NAMESPACE}
        await run_pod(
            cluster,
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": metadata,
                    "stringData": {"SPAWNPENNY_PROXY_TOKEN": self.token},
                },
                {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self._spec()},
            ],
        )

    def _spec(self) -> Manifest:
        env = {
            "SPAWNPENNY_GATEWAY__SERVICE": f"http://{_HOST}:{self.service_port}",
            "SPAWNPENNY_GATEWAY__HOST": _HOST,
            "SPAWNPENNY_GATEWAY__PORT": str(self.port),
            "SPAWNPENNY_GATEWAY__DASHBOARD_PORT": str(self.dashboard_port),
        }
        container = {
            "name": _NAME,
            "image": PROXY_IMAGE,
            "env": env_of(env),
            "envFrom": [{"secretRef": {"name": _NAME}}],
            "readinessProbe": {
                "httpGet": {"host": _HOST, "path": "/readyz", "port": self.dashboard_port},
                "periodSeconds": 1,
            },
        }
        return {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [container]}
