"""The manifests of a lab: pure functions of the spawn, the choice and the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.api import InvalidOptionError, Manifest, Spawn, User, format_quantity
from spawnpenny_lab.choice import Choice
from spawnpenny_lab.service import URL
from spawnpenny_lab.settings import LabSettings, Size

BASE_URL: Final = "spawnpenny.io/base-url"
_PREFIX: Final = re.compile(r"/(?:[^\s?#]*/)?")


def base_url(env: Mapping[str, str]) -> str:
    """Return the path under which the lab answers: the Hub's, where a Hub started it.

    Raises:
        InvalidOptionError: The caller's prefix is no path that begins and ends with a slash.

    """
    prefix = env.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    if not _PREFIX.fullmatch(prefix):
        raise InvalidOptionError(
            "JUPYTERHUB_SERVICE_PREFIX has to be a path that begins and ends with a slash.",
            field="env.JUPYTERHUB_SERVICE_PREFIX",
        )
    return prefix


def lab_secret(spawn: Spawn) -> Manifest:
    """Return the Secret with the caller's environment: the one place in the user namespace that holds it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": spawn.names.base},
        "stringData": dict(spawn.env),
    }


def lab_pod(spawn: Spawn, choice: Choice, settings: LabSettings) -> Manifest:
    """Return the lab's pod, hardened: the user's uid and gid, no token, no capabilities, no way to more."""
    prefix = base_url(spawn.env)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spawn.names.base,
            "labels": {
                "app": "jupyterhub",
                "component": "singleuser-server",
                "hub.jupyter.org/username": spawn.names.user,
                "hub.jupyter.org/servername": spawn.names.lab,
            },
            "annotations": {BASE_URL: prefix},
        },
        "spec": {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _pod_security(spawn.user),
            "containers": [_notebook(spawn, choice, settings, prefix)],
        },
    }


def lab_url(pod: Manifest, settings: LabSettings) -> str:
    """Return where a running lab answers."""
    annotations = pod["metadata"]["annotations"]
    if URL in annotations:
        return str(annotations[URL])
    address = pod["status"]["podIP"]
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{settings.port}{annotations[BASE_URL]}"


def _notebook(spawn: Spawn, choice: Choice, settings: LabSettings, prefix: str) -> Manifest:
    container: dict[str, Any] = {
        "name": "notebook",
        "image": choice.image,
        "ports": [{"name": "notebook-port", "containerPort": settings.port}],
        "envFrom": [{"secretRef": {"name": spawn.names.base}}],
        "env": [{"name": name, "value": value} for name, value in _environment(choice, settings).items()],
        "resources": _resources(choice.size),
        "readinessProbe": {
            "httpGet": {"path": f"{prefix}api", "port": "notebook-port"},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if settings.command:
        container["command"] = list(settings.command)
    return container


def _environment(choice: Choice, settings: LabSettings) -> dict[str, str]:
    """Return what JupyterHub's spawners tell a server of itself, and what the site sets."""
    size = choice.size
    return {
        "JUPYTER_IMAGE": choice.image,
        "JUPYTER_IMAGE_SPEC": choice.image,
        "CPU_LIMIT": format(size.cpu.normalize(), "f"),
        "CPU_GUARANTEE": format((size.cpu_guarantee or size.cpu).normalize(), "f"),
        "MEM_LIMIT": str(int(size.memory)),
        "MEM_GUARANTEE": str(int(size.memory_guarantee or size.memory)),
        **settings.environment,
    }


def _resources(size: Size) -> Manifest:
    guarantee = (size.cpu_guarantee or size.cpu, size.memory_guarantee or size.memory)
    return {
        "limits": {"cpu": format_quantity(size.cpu), "memory": format_quantity(size.memory)},
        "requests": {"cpu": format_quantity(guarantee[0]), "memory": format_quantity(guarantee[1])},
    }


def _pod_security(user: User) -> Manifest:
    return {
        "runAsUser": user.uid,
        "runAsGroup": user.gid,
        "runAsNonRoot": True,
        "fsGroup": user.gid,
        "supplementalGroups": [group.id for group in user.groups],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
