"""A deployment as kustomize renders it: its objects, and the settings of service and broker in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
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
"""A stand-in for values of Secrets: the rendered objects do not have them, and no rule depends on them."""
_RENDERERS: Final = (("kubectl", "kustomize"), ("kustomize", "build"))


@dataclass(frozen=True)
class Rendered:
    """All objects of a deployment; ``source`` is its name in messages."""

    objects: tuple[Manifest, ...]
    source: str

    def find(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """Return an object, or None if the deployment does not have it."""
        for manifest in self.of_kind(kind):
            if (manifest["metadata"]["name"], manifest["metadata"].get("namespace")) == (name, namespace):
                return manifest
        return None

    def has_any(self, manifests: Iterable[Manifest]) -> bool:
        """Return whether the deployment has any of these objects."""
        names = (
            (manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace"))
            for manifest in manifests
        )
        return any(self.find(*name) is not None for name in names)

    def of_kind(self, kind: str) -> Iterator[Manifest]:
        return (manifest for manifest in self.objects if manifest.get("kind") == kind)

    def settings(self) -> Settings:
        """Return the service's settings, with the section ``broker`` of a separate broker.

        ``plugins_dir`` is a folder of this machine, with the files that the deployment mounts there.

        Raises:
            SettingsError: The deployment has no service, or its settings are wrong.

        """
        service = replace(self.settings_of("serve"), plugins_dir=self._plugins_dir)
        if not service.broker.separate:
            return service
        return replace(service, broker=replace(self.settings_of("broker").broker, separate=True))

    def settings_of(self, process: Process) -> Settings:
        """Return the settings of one process, from its file and its environment.

        Raises:
            SettingsError: The deployment has no such process, or its settings are wrong.

        """
        deployment, container = self._process(process)
        environ = self._environ(deployment, container)
        path = environ.get("SPAWNPENNY_SETTINGS")
        what = f"The settings of spawnpenny {process} in {self.source}"
        text = self._mounted(deployment, container, path) if path else ""
        return combine(parse_mapping(text or "", what), environ, source=f"spawnpenny {process} of {self.source}")

    def orders(self) -> Orders:
        """Return the site's orders; they are empty if the broker has none.

        Raises:
            SettingsError: The orders are wrong.

        """
        process: Process = "broker" if self.settings_of("serve").broker.separate else "serve"
        path = self.settings_of(process).broker.orders
        text = self._mounted(*self._process(process), path) if path else None
        return Orders() if text is None else parse_orders(text, f"{path} of {self.source}")

    def disagreements(self) -> Iterator[str]:
        """Yield a sentence for each setting that differs, and has to be the same for service and broker."""
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
                yield f"{name} is {ours!r} for the service but {theirs!r} for the broker. Set the same value for both."

    def _process(self, process: Process) -> tuple[Manifest, Manifest]:
        for deployment in self.of_kind("Deployment"):
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                if process in (container.get("args") or ())[:1]:
                    return deployment, container
        raise SettingsError(f"{self.source} has no Deployment that runs `spawnpenny {process}`.")

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

    @cached_property
    def _plugins_dir(self) -> str | None:
        """A copy of the folder ``plugins_dir`` that lasts as long as this object; None if the settings name none."""
        path = self.settings_of("serve").plugins_dir
        if path is None:
            return None
        files = self._mounted_files(*self._process("serve"), path.rstrip("/"))
        if files is None:
            raise SettingsError(
                f"plugins_dir is {path}, but {self.source} mounts no ConfigMap there: its plugins cannot be read."
            )
        folder = Path(tempfile.mkdtemp(prefix="spawnpenny-plugins-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        for name, text in files.items():
            if name == Path(name).name:
                file = folder / name
                file.touch(mode=0o600)
                file.write_text(text, encoding="utf-8")
        return str(folder)

    def _mounted(self, deployment: Manifest, container: Manifest, path: str) -> str | None:
        """Return the text of a file that a container mounts from a ConfigMap; None if it mounts none at this path."""
        folder, _, name = path.rpartition("/")
        return (self._mounted_files(deployment, container, folder) or {}).get(name)

    def _mounted_files(self, deployment: Manifest, container: Manifest, folder: str) -> dict[str, str] | None:
        """Return the files of the ConfigMap that a container mounts at a path; None if it mounts none."""
        volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"].get("volumes") or ()}
        for mount in container.get("volumeMounts") or ():
            if mount["mountPath"].rstrip("/") == folder and "configMap" in volumes.get(mount["name"], {}):
                config = volumes[mount["name"]]["configMap"]
                data = self._config(config["name"], deployment["metadata"].get("namespace"))
                items = {item["path"]: item["key"] for item in config.get("items") or ()} or {key: key for key in data}
                return {path: data[key] for path, key in items.items() if key in data}
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
        raise SettingsError(
            "Neither kubectl nor kustomize is on the PATH. Render the overlay elsewhere, and use --rendered."
        )
    done = subprocess.run([*found, str(folder)], capture_output=True, check=False, text=True)  # noqa: S603 - the administrator's own
    if done.returncode:
        raise SettingsError(f"{' '.join(found)} {folder} failed: {done.stderr.strip()}")
    return read_rendered(done.stdout, str(folder))


def read_rendered(text: str, source: str) -> Rendered:
    """Read the objects that kustomize printed.

    Raises:
        SettingsError: The text is not a stream of manifests.

    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError:
        raise SettingsError(f"{source} is not valid YAML.") from None
    if not all(isinstance(document, dict) and isinstance(document.get("metadata"), dict) for document in documents):
        raise SettingsError(f"{source} holds a document that is not a Kubernetes object.")
    return Rendered(tuple(documents), source)
