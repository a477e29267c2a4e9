"""A site's own settings over those of the demo: what of them holds on one machine, and notices of the rest."""

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
"""Sections in which the demo has its own, as it has to listen and find itself on this machine."""
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
"""Settings of plugins that ask for what only a Kubernetes has."""
_BROKER: Final = frozenset({"orders", "purge", "namespaces", "releases", "keep_for", "ignore"})
"""Settings of the broker that hold on one machine too."""


@dataclass(frozen=True)
class SiteSettings:
    """A site's settings file, the environment over it, and what they are called in messages.

    ``listed`` says that the file names the plugins, so that none of the demo's own comes besides.
    """

    source: str
    data: Mapping[str, Any]
    listed: bool = False

    @classmethod
    def read(cls, file: str | None, environ: Mapping[str, str]) -> SiteSettings:
        """Read them as every other command does; without a file, the environment alone.

        Raises:
            SettingsError: The file cannot be read, or a setting is wrong.

        """
        path = file or environ.get("SPAWNPENNY_SETTINGS")
        data = read_yaml(Path(path)) if path else {}
        combine(copy.deepcopy(data), environ, source=path or "the environment")  # judged as it stands
        listed = "plugins" in data
        for keys, value in overrides(environ):
            put(data, keys, value)
        return cls(path or "the environment", data, listed)

    @property
    def plugins(self) -> Mapping[str, Any]:
        """The plugins that the site names, with their settings."""
        return self.data.get("plugins") or {}


@dataclass
class _Local:
    """Makes settings fit for one machine; ``notices`` say what is another thing here than on a cluster."""

    images: dict[str, list[str]]
    dropped: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    as_lab: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def fit(self, section: Any, place: str, *, container: bool = False) -> None:
        """Change a section of settings in place, and all that is in it."""
        if isinstance(section, list):
            for number, each in enumerate(section):
                self.fit(each, f"{place}[{number}]", container=container)
        if not isinstance(section, dict):
            return
        if container and "image" in section:
            self._fit_container(section)
        for key in section:
            here = f"{place}.{key}"
            if not container:
                self._fit_lab(section, key, here)
            self._fit_value(section[key], key, here, container=container or key in _CONTAINERS)

    def _fit_value(self, value: Any, key: str, place: str, *, container: bool) -> None:
        if key in _NO_EFFECT:
            self.idle += [place] if value not in (None, [], {}) else []
        elif key == "volumes":
            self._empty(value, place)
        else:
            self.fit(value, place, container=container)

    def _fit_lab(self, section: dict[str, Any], key: str, place: str) -> None:
        """Replace the images and commands of labs by those of this machine."""
        value = section[key]
        if key == "image":
            self._take_for_a_lab(value)
        elif key == "images" and isinstance(value, dict):
            for image in value.values():
                self._take_for_a_lab(image)
        elif key in {"cmd", "command"} and not _is_there(value):
            self.commands.append(f"{place} ({_first(value)})")
            section[key] = []

    def _fit_container(self, container: Mapping[str, Any]) -> None:
        image = container["image"]
        if image not in self.images:
            if container.get("command"):  # the image's own command line is not run then
                self.images[image] = ["sh"]
            elif image not in self.unknown:
                self.unknown.append(image)

    def _take_for_a_lab(self, image: Any) -> None:
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
            ("This environment's JupyterLab stands for these images (embedded.images names others)", self.as_lab),
            ("These images have no program here and will fail (embedded.images names one)", self.unknown),
            ("Volumes that are empty folders here, gone with their pod", self.emptied),
            ("Commands that are not on this machine; the image's own runs", self.commands),
        ):
            if found:
                yield f"{sentence}: {', '.join(dict.fromkeys(found))}."


def lay_over(demo: Mapping[str, Any], site: SiteSettings, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the demo's settings with a site's over them, and what has to be said of that.

    Args:
        demo: What the demo needs, and what it has where the site says nothing.
        site: What the site says.
        folder: Where orders go that had to be changed.

    Raises:
        SettingsError: The site's orders cannot be read.

    """
    local = _Local({**demo["embedded"]["images"], **_images(site.data)})
    local.dropped += [name for name in _OWN if _says_more(site.data.get(name), demo.get(name))]
    data = dict(demo)
    for section, value in site.data.items():
        match section:
            case "broker":
                local.dropped += [f"broker.{key}" for key in value or {} if key not in _BROKER]
                data[section] = {**demo[section], **{k: v for k, v in (value or {}).items() if k in _BROKER}}
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
    local.fit(named, "plugins")
    own = {} if site.listed else demo["plugins"]
    data["plugins"] = {**own, **{name: {**own.get(name, {}), **(section or {})} for name, section in named.items()}}
    data["broker"] = {**data["broker"], **_orders(data["broker"].get("orders"), site, local, folder)}
    data["embedded"] = {**demo["embedded"], "images": local.images}
    return data, list(local.notices())


def _orders(path: str | None, site: SiteSettings, local: _Local, folder: Path) -> dict[str, Any]:
    """Return the setting of the site's orders: the file itself, or a copy where it has what cannot be had here."""
    if path is None or path != (site.data.get("broker") or {}).get("orders"):
        return {}
    OrdersFile(path).read()
    orders = read_yaml(Path(path))
    before = copy.deepcopy(orders)
    local.fit(orders, "orders")
    if orders == before:
        return {}
    changed = folder / "site-orders.json"  # JSON is YAML
    changed.write_text(json.dumps(orders), encoding="utf-8")
    return {"orders": str(changed)}


def _images(data: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: list(line) for name, line in ((data.get("embedded") or {}).get("images") or {}).items()}


def _says_more(site: Any, demo: Any) -> bool:
    return site not in (None, {}) and site != demo


def _first(command: Any) -> str:
    return (
        str(command[0]) if isinstance(command, Sequence) and not isinstance(command, str) and command else str(command)
    )


def _is_there(command: Any) -> bool:
    return not command or shutil.which(_first(command)) is not None
