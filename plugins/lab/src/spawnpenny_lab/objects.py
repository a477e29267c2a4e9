"""The manifests of a lab: pure functions of the spawn and its template."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from spawnpenny.api import (
    DEFAULT_LAB,
    NOTEBOOK,
    NOTEBOOK_PORT_NAME,
    InvalidOptionError,
    Manifest,
    PlannedSpawn,
    format_quantity,
    hardened_container,
    overlaid,
    safe_slug,
)
from spawnpenny_lab.amounts import with_amounts
from spawnpenny_lab.environment import variables
from spawnpenny_lab.placement import filled, listed, placement
from spawnpenny_lab.security import notebook_security, pod_security
from spawnpenny_lab.service import URL
from spawnpenny_lab.template import GRACE, Template, expanded

BASE_URL: Final = "spawnpenny.io/base-url"
_SERVICE_URL: Final = re.compile(r"(https?://(?:\[[^\]/]*\]|[^:/]*)):[0-9]+(/.*)?")
_PREFIX: Final = re.compile(r"/(?:[^\s?#]*/)?")
_LABEL_VALUE: Final = re.compile(r"(?!.*--)[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_MAX_HASHED_LABEL: Final = 32


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


def lab_secret(spawn: PlannedSpawn, port: int) -> Manifest:
    """Return the Secret with the caller's environment: the one place in the user namespace that holds it.

    A Hub says in it where the server has to listen, but the port is for the settings to say.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": spawn.names.base},
        "stringData": {**spawn.env, **_service_url(spawn.env, port)},
    }


def lab_pod(spawn: PlannedSpawn, template: Template, allowed: Collection[str] = ()) -> Manifest:
    """Return the lab's pod: the user's own and hardened, but for what the template says.

    ``allowed`` is the setting ``pods.allow``, from which containers that may be root have their capabilities.
    """
    prefix = base_url(spawn.env)
    template = expanded(template, spawn, prefix)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spawn.names.base,
            "labels": _labels(spawn, template),
            "annotations": {**_annotations(spawn), **template.extra_annotations, BASE_URL: prefix},
        },
        "spec": _spec(spawn, template, prefix, allowed),
    }
    return with_amounts(pod, NOTEBOOK, template.environment)


def lab_url(pod: Manifest) -> str:
    """Return where a running lab answers."""
    annotations = pod["metadata"]["annotations"]
    if URL in annotations:
        return str(annotations[URL])
    address = pod["status"]["podIP"]
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{_port(pod)}{annotations[BASE_URL]}"


def _service_url(env: Mapping[str, str], port: int) -> dict[str, str]:
    found = _SERVICE_URL.fullmatch(env.get("JUPYTERHUB_SERVICE_URL", ""))
    return {"JUPYTERHUB_SERVICE_URL": f"{found[1]}:{port}{found[2] or ''}"} if found else {}


def _port(pod: Manifest) -> int:
    notebook = next(container for container in pod["spec"]["containers"] if container["name"] == NOTEBOOK)
    ports = notebook.get("ports") or ()
    return next(int(port["containerPort"]) for port in ports if port.get("name") == NOTEBOOK_PORT_NAME)


def _labels(spawn: PlannedSpawn, template: Template) -> dict[str, str]:
    """Return what Zero to JupyterHub's network policies and dashboards select pods by."""
    return {
        "hub.jupyter.org/username": _label(spawn.user.username),
        **template.extra_labels,
        **template.common_labels,
        "app.kubernetes.io/component": template.component_label,
        "component": template.component_label,
        "hub.jupyter.org/servername": _label(_server(spawn)),
    }


def _annotations(spawn: PlannedSpawn) -> dict[str, str]:
    server = _server(spawn)
    named = {"hub.jupyter.org/servername": server} if server else {}
    return {"hub.jupyter.org/username": spawn.user.username, **named}


def _server(spawn: PlannedSpawn) -> str:
    return "" if spawn.name == DEFAULT_LAB else spawn.name


def _label(name: str) -> str:
    """Return a name as KubeSpawner has it in a label: as it is where it can be a value, else as a slug."""
    return name if not name or _LABEL_VALUE.fullmatch(name) else safe_slug(name, max_length=_MAX_HASHED_LABEL)


def _spec(spawn: PlannedSpawn, template: Template, prefix: str, allowed: Collection[str]) -> Manifest:
    spec: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": template.automount_service_account_token is True,
        "enableServiceLinks": False,
        GRACE: template.grace,
        "securityContext": pod_security(spawn.user, template),
        "containers": [_notebook(spawn, template, prefix), *listed(template.extra_containers)],
        **filled(
            {
                "initContainers": listed(template.init_containers),
                "volumes": listed(template.volumes),
                "imagePullSecrets": list(template.image_pull_secrets),
                "serviceAccountName": template.service_account,
            }
        ),
        **placement(template),
    }
    return _hardened(overlaid(spec, template.extra_pod_config), template, allowed)


def _hardened(spec: Manifest, template: Template, allowed: Collection[str]) -> Manifest:
    of_pod = {"runAsNonRoot": spec["securityContext"]["runAsUser"] != 0, **spec["securityContext"]}
    hardened: Manifest = {**spec, "securityContext": of_pod}
    escalation = {NOTEBOOK: template.allow_privilege_escalation}
    for kind in ("containers", "initContainers"):
        if kind in spec:
            hardened[kind] = [
                hardened_container(
                    container, of_pod=of_pod, allowed=allowed, escalation=escalation.get(container["name"], False)
                )
                for container in spec[kind]
            ]
    return hardened


def _notebook(spawn: PlannedSpawn, template: Template, prefix: str) -> Manifest:
    container: dict[str, Any] = {
        "name": NOTEBOOK,
        "image": template.image,
        "ports": [{"name": NOTEBOOK_PORT_NAME, "containerPort": template.port}],
        "envFrom": [{"secretRef": {"name": spawn.names.base}}],
        "env": variables(template, spawn.env.keys()),
        "resources": _resources(template),
        "readinessProbe": {
            "httpGet": {"path": f"{prefix}api", "port": NOTEBOOK_PORT_NAME},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
        "securityContext": notebook_security(template),
        **filled(
            {
                "imagePullPolicy": template.image_pull_policy,
                "command": list(template.command),
                "args": [*template.cmd, *template.args],
                "workingDir": template.working_dir,
                "volumeMounts": listed(template.volume_mounts),
                "lifecycle": dict(template.lifecycle_hooks),
            }
        ),
    }
    return overlaid(container, template.extra_container_config)


def _resources(template: Template) -> Manifest:
    limits = _amounts(template.cpu_limit, template.mem_limit) | dict(template.extra_resource_limits)
    requests = _amounts(template.cpu_guarantee, template.mem_guarantee) | dict(template.extra_resource_guarantees)
    return filled({"limits": limits, "requests": requests})


def _amounts(cpu: Decimal | None, memory: Decimal | None) -> dict[str, str]:
    return {name: format_quantity(amount) for name, amount in (("cpu", cpu), ("memory", memory)) if amount}
