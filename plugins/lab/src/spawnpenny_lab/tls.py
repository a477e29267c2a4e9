"""JupyterHub's internal SSL: the lab's key and certificates as files in its pod, and the name that they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from spawnpenny.api import NOTEBOOK, NOTEBOOK_PORT_NAME, Manifest, Names, PlannedSpawn, Spawn, Step, Tls, allow
from spawnpenny_lab.objects import BASE_URL
from spawnpenny_lab.service import SERVICE, URL, lab_service, lab_url, service_name

FOLDER: Final = "/etc/jupyterhub/ssl"
_KEY, _CERT, _CA = "ssl.key", "ssl.crt", "notebooks-ca_trust.crt"
_VOLUME: Final = "jupyterhub-internal-certs"
_MODE: Final = 0o440
"""The files are root's, and of the pod's fsGroup, which is the user's own group."""


class TlsStep(Step):
    """Give a lab its certificate, and the Service whose name is in it, where the request has one."""

    name = "lab.tls"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    before = frozenset({"lab.pod"})
    permissions = (
        allow("create", "get", "delete", on="secrets"),
        allow("create", "get", "delete", on="services"),
    )

    def __init__(self, port: Callable[[PlannedSpawn], int]) -> None:
        self._port = port

    def services(self, names: Names) -> tuple[str, ...]:
        return (service_name(names),)

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [tls_secret(spawn, spawn.tls), lab_service(spawn, self._port(spawn))] if spawn.tls else []

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Service", service_name(spawn.names))
        await spawn.cluster.discard("Secret", _secret_name(spawn.names))


def tls_secret(spawn: PlannedSpawn, tls: Tls) -> Manifest:
    """Return the Secret with the key and certificates, apart from the one that becomes environment variables."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": _secret_name(spawn.names)},
        "stringData": {_KEY: tls.key, _CERT: tls.cert, _CA: tls.ca},
    }


def serving_tls(pod: Manifest, spawn: PlannedSpawn) -> Manifest:
    """Return a lab's pod as it has to be where its request has a certificate; as it is where not.

    It finds the files as JupyterHub's single-user server looks for them. It lets nobody in without a certificate, and
    so not the kubelet either: it is ready when it takes connections.
    """
    if spawn.tls is None:
        return pod
    metadata, spec = pod["metadata"], pod["spec"]
    notebook = next(container for container in spec["containers"] if container["name"] == NOTEBOOK)
    port = next(port["containerPort"] for port in notebook["ports"] if port.get("name") == NOTEBOOK_PORT_NAME)
    volume = {"name": _VOLUME, "secret": {"secretName": _secret_name(spawn.names), "defaultMode": _MODE}}
    return {
        **pod,
        "metadata": {
            **metadata,
            "labels": {**metadata["labels"], SERVICE: service_name(spawn.names)},
            "annotations": {**metadata["annotations"], URL: lab_url(spawn, port, metadata["annotations"][BASE_URL])},
        },
        "spec": {
            **spec,
            "volumes": [*spec.get("volumes", ()), volume],
            "containers": [
                _serving(container) if container is notebook else container for container in spec["containers"]
            ],
        },
    }


def _serving(notebook: dict[str, Any]) -> dict[str, Any]:
    paths = {
        "JUPYTERHUB_SSL_KEYFILE": f"{FOLDER}/{_KEY}",
        "JUPYTERHUB_SSL_CERTFILE": f"{FOLDER}/{_CERT}",
        "JUPYTERHUB_SSL_CLIENT_CA": f"{FOLDER}/{_CA}",
    }
    probe = dict(notebook.get("readinessProbe", {}))
    if probe.pop("httpGet", None) is not None:  # one that the site has made otherwise is the site's
        probe["tcpSocket"] = {"port": NOTEBOOK_PORT_NAME}
    return {
        **notebook,
        "env": [*notebook.get("env", ()), *({"name": name, "value": path} for name, path in paths.items())],
        "volumeMounts": [
            *notebook.get("volumeMounts", ()),
            {"name": _VOLUME, "mountPath": FOLDER, "readOnly": True},
        ],
        "readinessProbe": probe,
    }


def _secret_name(names: Names) -> str:
    return names.own("tls")
