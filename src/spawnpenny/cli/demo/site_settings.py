"""Settings of a site for the demo: those that work on one machine, and notices about the others."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from spawnpenny.broker.orders import OrdersFile
from spawnpenny.embedded.api.rules.served import SERVED_VOLUMES
from spawnpenny.settings.load import combine
from spawnpenny.settings.sections import EmbeddedSettings
from spawnpenny.settings.sources import overrides, put, read_yaml

LAB_IMAGE: Final = "spawnpenny/lab"
SHELL_IMAGE: Final = "spawnpenny/shell"
_OWN: Final = ("installation", "cluster", "web", "gateway", "replicas")
"""Sections that the demo sets itself, as it has to listen and find itself on this machine."""
_CONTAINERS: Final = frozenset({"init_containers", "extra_containers", "containers", "commission", "retire"})
_NO_EFFECT: Final = frozenset(
    {
        *("node_selector", "tolerations", "scheduler_name", "priority_class_name", "image_pull_policy"),
        *("image_pull_secrets", "service_account", "storage_class", "network", "lifecycle_hooks", "pullSecrets"),
        *("node_affinity_preferred", "node_affinity_required", "pod_affinity_preferred", "pod_affinity_required"),
        *("pod_anti_affinity_preferred", "pod_anti_affinity_required", "securityContext", "privileged"),
        *("container_security_context", "pod_security_context", "uid", "gid", "fs_gid", "supplemental_gids"),
    }
)
"""Settings of plugins that only have an effect on Kubernetes."""
_BROKER: Final = frozenset({"orders", "purge", "namespaces", "releases", "keep_for", "ignore"})
"""Settings of the broker that have an effect on one machine, too."""


@dataclass(frozen=True)
class SiteSettings:
    """Settings of a site: its settings file, overridden by the environment.

    Attributes:
        source: The name of the settings in messages.
        data: The settings.
        listed: True if the file names the plugins, so that the demo adds none of its own.

    """

    source: str
    data: Mapping[str, Any]
    listed: bool = False

    @classmethod
    def read(cls, file: str | None, environ: Mapping[str, str]) -> SiteSettings:
        """Read the settings as every other command does; without a file, only the environment.

        Raises:
            SettingsError: The file cannot be read, or a setting is wrong.

        """
        path = file or environ.get("SPAWNPENNY_SETTINGS")
        data = read_yaml(Path(path)) if path else {}
        combine(
            copy.deepcopy(data), environ, source=path or "the environment"
        )  # validate the site's settings as they are
        listed = "plugins" in data
        for keys, value in overrides(environ):
            put(data, keys, value)
        return cls(path or "the environment", data, listed)

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The plugins of the site, with their settings."""
        return self.data.get("plugins") or {}


@dataclass
class _Adaptation:
    """Changes that make settings work on one machine, as lists for the notices."""

    images: dict[str, list[str]]
    dropped: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    as_lab: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def adapt(self, section: Any, place: str, *, container: bool = False) -> None:
        """Change a section of settings and its subsections in place."""
        if isinstance(section, list):
            for number, entry in enumerate(section):
                self.adapt(entry, f"{place}[{number}]", container=container)
        if not isinstance(section, dict):
            return
        if container and "image" in section:
            self._adapt_container(section)
        for key in section:
            path = f"{place}.{key}"
            if not container:
                self._adapt_lab(section, key, path)
            self._adapt_value(section[key], key, path, container=container or key in _CONTAINERS)

    def _adapt_value(self, value: Any, key: str, place: str, *, container: bool) -> None:
        if key in _NO_EFFECT:
            self.idle += [place] if value not in (None, [], {}) else []
        elif key == "volumes":
            self._empty(value, place)
        else:
            self.adapt(value, place, container=container)

    def _adapt_lab(self, section: dict[str, Any], key: str, place: str) -> None:
        """Replace the image and the missing commands of a lab by those of this machine."""
        value = section[key]
        if key == "image":
            self._run_as_lab(value)
        elif key == "images" and isinstance(value, dict):
            for image in value.values():
                self._run_as_lab(image)
        elif key in {"cmd", "command"} and not _is_installed(value):
            self.commands.append(f"{place} ({_first(value)})")
            section[key] = []

    def _adapt_container(self, container: Mapping[str, Any]) -> None:
        image = container["image"]
        if image not in self.images:
            if container.get("command"):  # then the image's own command does not run
                self.images[image] = ["sh"]
            elif image not in self.unknown:
                self.unknown.append(image)

    def _run_as_lab(self, image: Any) -> None:
        if isinstance(image, str) and image not in self.images:
            self.images[image] = list(EmbeddedSettings().images[LAB_IMAGE])
            self.as_lab.append(image)

    def _empty(self, volumes: Any, place: str) -> None:
        entries = volumes.values() if isinstance(volumes, dict) else volumes if isinstance(volumes, list) else ()
        for volume in entries:
            kinds = volume.keys() - {"name"} if isinstance(volume, dict) else set()
            if kinds and not kinds & SERVED_VOLUMES:
                self.emptied.append(f"{place}: {volume.get('name', '?')} ({', '.join(sorted(kinds))})")
                for kind in kinds:
                    del volume[kind]
                volume["emptyDir"] = {}

    def notices(self) -> Iterator[str]:
        for sentence, found in (
            ("The demo sets these itself", self.dropped),
            ("These have no effect on one machine", self.idle),
            (
                "Instead of these images, the JupyterLab of this environment runs (embedded.images names others)",
                self.as_lab,
            ),
            ("These images have no program here and will fail (embedded.images names programs)", self.unknown),
            ("These volumes are empty folders here, deleted with their pod", self.emptied),
            ("These commands are not installed here; the image's own command runs", self.commands),
        ):
            if found:
                yield f"{sentence}: {', '.join(dict.fromkeys(found))}."


def lay_over(demo: Mapping[str, Any], site: SiteSettings, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the demo's settings, overridden by those of a site, and notices about the differences.

    Args:
        demo: The settings of the demo.
        site: The settings of the site.
        folder: The folder for changed orders.

    Raises:
        SettingsError: The site's orders cannot be read.

    """
    local = _Adaptation({**demo["embedded"]["images"], **_images(site.data)})
    local.dropped += [name for name in _OWN if _differs(site.data.get(name), demo.get(name))]
    data = dict(demo)
    for section, value in site.data.items():
        match section:
            case "broker":
                local.dropped += [f"broker.{key}" for key in value or {} if key not in _BROKER]
                data[section] = {
                    **demo[section],
                    **{key: entry for key, entry in (value or {}).items() if key in _BROKER},
                }
            case "tokens":
                local.dropped += [f"tokens.{name}" for name in value or {} if name in demo[section]]
                data[section] = {**(value or {}), **demo[section]}
            case "embedded":
                local.dropped += ["embedded.folder"] if "folder" in (value or {}) else []
            case "plugins":
                pass
            case _ if section not in _OWN:
                data[section] = copy.deepcopy(value)
            case _:
                pass
    named = copy.deepcopy(dict(site.plugins))
    local.adapt(named, "plugins")
    own = {} if site.listed else demo["plugins"]
    data["plugins"] = {**own, **{name: {**own.get(name, {}), **(section or {})} for name, section in named.items()}}
    data["broker"] = {**data["broker"], **_orders(data["broker"].get("orders"), site, local, folder)}
    data["embedded"] = {**demo["embedded"], "images": local.images}
    return data, list(local.notices())


def _orders(path: str | None, site: SiteSettings, local: _Adaptation, folder: Path) -> dict[str, Any]:
    """Return a setting for an adapted copy of the site's orders; none if they work here as they are."""
    if path is None or path != (site.data.get("broker") or {}).get("orders"):
        return {}
    OrdersFile(path).read()
    orders = read_yaml(Path(path))
    before = copy.deepcopy(orders)
    local.adapt(orders, "orders")
    if orders == before:
        return {}
    changed = folder / "site-orders.json"  # JSON is YAML
    changed.write_text(json.dumps(orders), encoding="utf-8")
    return {"orders": str(changed)}


def _images(data: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: list(line) for name, line in ((data.get("embedded") or {}).get("images") or {}).items()}


def _differs(site: Any, demo: Any) -> bool:
    return site not in (None, {}) and site != demo


def _first(command: Any) -> str:
    return (
        str(command[0]) if isinstance(command, Sequence) and not isinstance(command, str) and command else str(command)
    )


def _is_installed(command: Any) -> bool:
    return not command or shutil.which(_first(command)) is not None
