"""Load a ``jupyterhub_config.py`` by running it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from spawnpenny.admin.migration.site import NONE, Configured
from spawnpenny.admin.migration.traits import RENAMED
from spawnpenny.errors import SettingsError

_CLASSES: Final = ("Spawner", "KubeSpawner")
_HUB_PORT: Final = 8081
_COMMON_LABELS: Final = {
    "app.kubernetes.io/name": "jupyterhub",
    "app.kubernetes.io/managed-by": "spawnpenny",
    "app": "jupyterhub",
    "heritage": "jupyterhub",
}


def load_config(path: Path, before: Configured = NONE) -> Configured:
    """Run a configuration file, and return what it sets, merged over what was set before.

    Raises:
        SettingsError: The file cannot be read or fails, or traitlets is not installed.

    """
    config = _run(path)
    spawner = config.JupyterHub.get("spawner_class") if "JupyterHub" in config else None
    own = _own_classes(spawner)
    traits: dict[str, Any] = dict(before.traits)
    for name in (*_CLASSES, *own):
        if name in config:
            named = ((RENAMED.get(key, key), value) for key, value in config[name].items())
            traits |= {key: _value(key, value, traits.get(key)) for key, value in named}
    notes = () if before is not NONE and spawner is None else tuple(_notes(spawner, config))
    return replace(
        before,
        traits=traits,
        own_class=", ".join(filter(None, (before.own_class, *own))),
        notes=(*before.notes, *notes),
        hub_connect_url=_hub_connect_url(config) or before.hub_connect_url,
    )


def _run(path: Path) -> Any:
    try:
        from traitlets.config.loader import (  # noqa: PLC0415 - it comes with JupyterHub and JupyterLab
            ConfigFileNotFound,
            PyFileConfigLoader,
        )
    except ModuleNotFoundError:
        raise SettingsError(
            "traitlets is needed to read a jupyterhub_config.py. Install it: pip install traitlets"
        ) from None
    try:
        return PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
    except ConfigFileNotFound:
        raise SettingsError(f"The file {path} does not exist.") from None
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == path.name
        ]
        line = f" at line {frames[-1].lineno}" if frames else ""
        raise SettingsError(
            f"{path} failed{line}: {type(error).__name__}: {error}. The command runs it as the Hub does: it may need "
            "the environment, files and packages of the Hub."
        ) from None


def _value(name: str, value: Any, before: Any) -> Any:
    """Return a value; apply changes such as ``c.KubeSpawner.volumes.append(…)`` to the value before."""
    if not hasattr(value, "get_value"):
        return value
    from traitlets.config.loader import LazyConfigValue  # noqa: PLC0415 - see above

    if not isinstance(value, LazyConfigValue):
        return value
    if before is None:
        empty: Any = {} if value.to_dict().get("update") else []
        before = dict(_COMMON_LABELS) if name == "common_labels" else empty
    return value.get_value(before)


def _own_classes(spawner: Any) -> list[str]:
    """Return the names of the site's own classes, the most general one first: their sections count too."""
    if isinstance(spawner, type):
        names = [
            parent.__name__
            for parent in reversed(spawner.__mro__)
            if parent.__module__.partition(".")[0] != "kubespawner"
        ]
        return (
            [name for name in names[names.index("Spawner") + 1 :] if name not in _CLASSES] if "Spawner" in names else []
        )
    name = str(spawner or "").rpartition(".")[2]
    return [name] if "." in str(spawner) and name not in _CLASSES else []


def _hub_connect_url(config: Any) -> str | None:
    """Return the URL of the Hub in JupyterHub's own configuration; the spawner's trait is carried over separately."""
    hub = config.JupyterHub if "JupyterHub" in config else {}
    url, host, port = (hub.get(f"hub_connect_{part}") for part in ("url", "ip", "port"))
    if url and isinstance(url, str):
        return url
    return f"http://{host}:{port or _HUB_PORT}" if host and isinstance(host, str) else None


def _notes(spawner: Any, config: Any) -> Iterator[str]:
    if spawner is None and "KubeSpawner" not in config:
        yield "The file names no spawner and sets nothing of KubeSpawner. Is it the right file?"
    if "JupyterHub" in config and config.JupyterHub.get("internal_ssl"):
        yield "c.JupyterHub.internal_ssl: keep it, and set plugins.lab.internal_ssl to true, so that labs serve TLS."
