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
here = os.environ["POD_IP"]  # all pods of the demo share this machine
c.JupyterHub.bind_url = os.environ["PUBLIC_URL"]
c.JupyterHub.hub_bind_url = f"http://{here}:8081/"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cleanup_servers = False
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 2}  # its API answers soon, and the progress is seen
c.ConfigurableHTTPProxy.command = [os.environ["PROXY"]]
c.ConfigurableHTTPProxy.api_url = f"http://{here}:8001"

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["DEMO_PASSWORD"]
c.Authenticator.allow_all = True
c.Authenticator.allowed_users = {os.environ["DEMO_USER"]}

# The users here have no credential but the password, so that the Hub's own token starts labs (scope spawn:any). Where
# they have one, c.SpawnpennySpawner.auth_state_field names it, and the Hub needs read:any and delete:any alone.
c.JupyterHub.spawner_class = "spawnpenny"
c.SpawnpennySpawner.url = os.environ["SPAWNPENNY_URL"]
c.SpawnpennySpawner.token = os.environ["SPAWNPENNY_TOKEN"]
"""


def what_is_missing() -> str | None:
    """Say what keeps a Hub from running here; None where nothing does."""
    if importlib.util.find_spec("jupyterhub") is None:
        return "JupyterHub is not installed: pip install 'spawnpenny[demo]'"
    if shutil.which("node") is None:
        return "there is no Node.js in PATH, which JupyterHub's proxy runs on"
    program = shutil.which(_PROXY)
    if program is None:
        return f"there is no {_PROXY} in PATH: npm install -g {_PROXY}"
    with Path(program).open("rb") as file:
        # The package of that name in Python's index buffers event streams: no progress would be seen.
        if b"node" not in file.readline():
            return f"{program} is not the one for Node.js: npm install -g {_PROXY}"
    return None


@dataclass(frozen=True)
class DemoHub:
    """A Hub for a user on a port. ``token`` is its own at the service; the password is everybody's."""

    user: str
    port: int
    token: str = field(repr=False)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, cluster: Cluster, service: str) -> None:
        """Start it, and wait until it answers.

        Args:
            cluster: Where.
            service: The URL of the service.

        Raises:
            CommandError: It has ended instead.

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
