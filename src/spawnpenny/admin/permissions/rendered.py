"""A deployment as kustomize renders it: its objects, and the settings that service and broker find in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from spawnpenny.broker.orders import Orders, parse_orders
from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.settings.load import combine
from spawnpenny.settings.model import Settings
from spawnpenny.settings.sources import parse_mapping

Process = Literal["serve", "broker"]
_FIELDS: Final = {"metadata.name": "spawnpenny-0", "status.podIP": "127.0.0.1"}
_SECRET: Final = "0a" * 32
"""Stands for what is in a Secret: it is never in the rendered objects, and no rule depends on it."""
_RENDERERS: Final = (("kubectl", "kustomize"), ("kustomize", "build"))


@dataclass(frozen=True)
class Rendered:
    """All objects of a deployment. ``source`` is what messages call it."""

    objects: tuple[Manifest, ...]
    source: str

    def find(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """Return an object, or None where the deployment has none of that name."""
        for manifest in self.of_kind(kind):
            if (manifest["metadata"]["name"], manifest["metadata"].get("namespace")) == (name, namespace):
                return manifest
        return None

    def has_any(self, manifests: Iterable[Manifest]) -> bool:
        """Return whether any of these objects is in the deployment."""
        names = (
            (manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace"))
            for manifest in manifests
        )
        return any(self.find(*name) is not None for name in names)

    def of_kind(self, kind: str) -> Iterator[Manifest]:
        return (manifest for manifest in self.objects if manifest.get("kind") == kind)

    def settings(self) -> Settings:
        """Return the service's settings, with the broker's own of what the broker makes.

        Raises:
            SettingsError: There is no service in it, or its settings are wrong.

        """
        service = self.settings_of("serve")
        if not service.broker.separate:
            return service
        return replace(service, broker=replace(self.settings_of("broker").broker, separate=True))

    def settings_of(self, process: Process) -> Settings:
        """Return the settings that one of both processes has: its file, and its environment.

        Raises:
            SettingsError: There is no such process in it, or its settings are wrong.

        """
        deployment, container = self._process(process)
        environ = self._environ(deployment, container)
        path = environ.get("SPAWNPENNY_SETTINGS")
        what = f"The settings of spawnpenny {process} in {self.source}"
        text = self._mounted(deployment, container, path) if path else ""
        return combine(parse_mapping(text or "", what), environ, source=f"spawnpenny {process} of {self.source}")

    def orders(self) -> Orders:
        """Return the site's orders, none where the broker has none.

        Raises:
            SettingsError: They are not what they should be.

        """
        process: Process = "broker" if self.settings_of("serve").broker.separate else "serve"
        path = self.settings_of(process).broker.orders
        text = self._mounted(*self._process(process), path) if path else None
        return Orders() if text is None else parse_orders(text, f"{path} of {self.source}")

    def disagreements(self) -> Iterator[str]:
        """Yield what service and broker have to have in common, and have not."""
        service = self.settings_of("serve")
        if not service.broker.separate:
            return
        broker = self.settings_of("broker")
        pairs = {"installation": (service.installation, broker.installation)}
        for name in ("prefix", "state", "broker", "provision"):
            pairs[f"namespaces.{name}"] = getattr(service.namespaces, name), getattr(broker.namespaces, name)
        for name in ("role", "account", "account_namespace", "pod_security", "labels", "annotations"):
            pairs[f"broker.{name}"] = getattr(service.broker, name), getattr(broker.broker, name)
        for name, (ours, theirs) in pairs.items():
            if ours != theirs:
                yield f"{name} is {ours!r} for the service and {theirs!r} for the broker: it has to be the same."

    def _process(self, process: Process) -> tuple[Manifest, Manifest]:
        for deployment in self.of_kind("Deployment"):
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                if process in (container.get("args") or ())[:1]:
                    return deployment, container
        raise SettingsError(f"There is no Deployment in {self.source} that runs spawnpenny {process}.")

    def _environ(self, deployment: Manifest, container: Manifest) -> dict[str, str]:
        namespace = deployment["metadata"].get("namespace")
        found: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            data = self._config(source.get("configMapRef", {}).get("name"), namespace)
            found.update({source.get("prefix", "") + name: value for name, value in data.items()})
        for variable in container.get("env") or ():
            value = variable.get("value") or ""
            if "valueFrom" in variable:
                value = self._from_elsewhere(variable["valueFrom"], namespace)
            found[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), value)
        return found

    def _from_elsewhere(self, source: Mapping[str, Any], namespace: str | None) -> str:
        if "configMapKeyRef" in source:
            ref = source["configMapKeyRef"]
            return self._config(ref["name"], namespace).get(ref["key"], "")
        if "fieldRef" in source:
            return _FIELDS.get(source["fieldRef"]["fieldPath"], "spawnpenny")
        return _SECRET

    def _mounted(self, deployment: Manifest, container: Manifest, path: str) -> str | None:
        """Return the text of a file that a ConfigMap brings into a container; None where none brings it."""
        volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"].get("volumes") or ()}
        for mount in container.get("volumeMounts") or ():
            folder, _, name = path.rpartition("/")
            if mount["mountPath"].rstrip("/") == folder and "configMap" in volumes.get(mount["name"], {}):
                config = volumes[mount["name"]]["configMap"]
                keys = {item["path"]: item["key"] for item in config.get("items") or ()}
                data = self._config(config["name"], deployment["metadata"].get("namespace"))
                return data.get(keys.get(name, name))
        return None

    def _config(self, name: str | None, namespace: str | None) -> dict[str, str]:
        found = self.find("ConfigMap", name, namespace) if name else None
        return (found or {}).get("data") or {}


def render(folder: Path) -> Rendered:
    """Render a folder with kubectl or kustomize.

    Raises:
        SettingsError: Neither is installed, or the folder cannot be rendered.

    """
    found = next((renderer for renderer in _RENDERERS if shutil.which(renderer[0])), None)
    if found is None:
        raise SettingsError("Neither kubectl nor kustomize is on the PATH: render the overlay, and use --rendered.")
    done = subprocess.run([*found, str(folder)], capture_output=True, check=False, text=True)  # noqa: S603 - the administrator's own
    if done.returncode:
        raise SettingsError(f"{' '.join(found)} {folder} failed: {done.stderr.strip()}")
    return read_rendered(done.stdout, str(folder))


def read_rendered(text: str, source: str) -> Rendered:
    """Take the objects of what kustomize printed.

    Raises:
        SettingsError: It is no stream of manifests.

    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError:
        raise SettingsError(f"{source} is not YAML.") from None
    if not all(isinstance(document, dict) and isinstance(document.get("metadata"), dict) for document in documents):
        raise SettingsError(f"{source} holds something else than Kubernetes objects.")
    return Rendered(tuple(documents), source)
