"""The demo's JupyterHub: a pod of the embedded cluster, with its proxy."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spawnpenny.cli.demo.pods import env_of, run_pod

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Cluster, Manifest

HUB_IMAGE: Final = "spawnpenny/hub"
HUB_COMMAND: Final = ("{python}", "-m", "jupyterhub")
_PROXY: Final = "configurable-http-proxy"
_NAMESPACE: Final = "jupyterhub"
_NAME: Final = "hub"
_CONFIG: Final = """\
import os

c = get_config()
pod_ip = os.environ["POD_IP"]  # all pods of the demo share this machine
c.JupyterHub.bind_url = os.environ["PUBLIC_URL"]
c.JupyterHub.hub_bind_url = f"http://{pod_ip}:8081/"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cleanup_servers = False
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 2}  # its API answers soon, so that the progress is shown
c.ConfigurableHTTPProxy.command = [os.environ["PROXY"]]
c.ConfigurableHTTPProxy.api_url = f"http://{pod_ip}:8001"

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["DEMO_PASSWORD"]
c.Authenticator.allow_all = True
c.Authenticator.allowed_users = {os.environ["DEMO_USER"]}

# Users of the demo have only a password, so the Hub's own token starts their labs (scope spawn:any). If users have
# credentials, name them in c.SpawnpennySpawner.auth_state_field: the Hub then needs only read:any and delete:any.
c.JupyterHub.spawner_class = "spawnpenny"
c.SpawnpennySpawner.url = os.environ["SPAWNPENNY_URL"]
c.SpawnpennySpawner.token = os.environ["SPAWNPENNY_TOKEN"]
"""


def missing_requirement() -> str | None:
    """Return the reason why a Hub cannot run here; None if it can."""
    if importlib.util.find_spec("jupyterhub") is None:
        return "JupyterHub is not installed: pip install 'spawnpenny[demo]'"
    if shutil.which("node") is None:
        return "Node.js, which JupyterHub's proxy needs, is not in PATH"
    program = shutil.which(_PROXY)
    if program is None:
        return f"{_PROXY} is not in PATH: npm install -g {_PROXY}"
    with Path(program).open("rb") as file:
        # The Python package of that name buffers event streams, so that no progress would be shown.
        if b"node" not in file.readline():
            return f"{program} is not the program for Node.js: npm install -g {_PROXY}"
    return None


@dataclass(frozen=True)
class DemoHub:
    """A Hub on a port. ``token`` is its own for the service; all users share the password."""

    user: str
    port: int
    token: str = field(repr=False)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, cluster: Cluster, service: str) -> None:
        """Start the Hub, and wait until it answers.

        Args:
            cluster: The cluster of its pod.
            service: The URL of the service.

        Raises:
            CommandError: The Hub has ended instead.

        """
        await run_pod(cluster, self._manifests(service))

    def _manifests(self, service: str) -> list[Manifest]:
        metadata = {"name": _NAME, "namespace": _NAMESPACE}
        secret = {"SPAWNPENNY_TOKEN": self.token, "DEMO_PASSWORD": self.password}
        return [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata,
                "data": {"jupyterhub_config.py": _CONFIG},
            },
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self._spec(service)},
        ]

    def _spec(self, service: str) -> Manifest:
        folder = "/srv/jupyterhub"
        container = {
            "name": "hub",
            "image": HUB_IMAGE,
            "args": ["--config", f"{folder}/jupyterhub_config.py"],
            "env": [
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                *env_of(self._env(service)),
            ],
            "envFrom": [{"secretRef": {"name": _NAME}}],
            "volumeMounts": [{"name": "config", "mountPath": folder}],
            "readinessProbe": {"httpGet": {"path": "/hub/health", "port": 8081}, "periodSeconds": 1},
        }
        return {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": _NAME}}],
        }

    def _env(self, service: str) -> dict[str, str]:
        node, proxy = shutil.which("node") or "", shutil.which(_PROXY) or ""
        return {
            "PUBLIC_URL": self.url,
            "SPAWNPENNY_URL": service,
            "DEMO_USER": self.user,
            "PROXY": proxy,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(Path(node).parent), "/usr/bin", "/bin"]),
        }
