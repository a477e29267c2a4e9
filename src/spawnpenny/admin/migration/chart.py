"""The values of Zero to JupyterHub: a site's files merged over the chart's own values, as Helm does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.admin.migration import shapes
from spawnpenny.errors import SettingsError

DEFAULTS: Final[Mapping[str, Any]] = {
    "singleuser": {
        "startTimeout": 300,
        "extraLabels": {"hub.jupyter.org/network-access-hub": "true"},
        "uid": 1000,
        "fsGid": 100,
        "allowPrivilegeEscalation": False,
        "memory": {"guarantee": "1G"},
        "cmd": "jupyterhub-singleuser",
        "cloudMetadata": {"blockWithIptables": True, "ip": "169.254.169.254"},
        "networkPolicy": {
            "enabled": True,
            "egressAllowRules": {
                "cloudMetadataServer": False,
                "dnsPortsCloudMetadataServer": True,
                "dnsPortsKubeSystemNamespace": True,
                "dnsPortsPrivateIPs": True,
                "nonPrivateIPs": True,
                "privateIPs": False,
            },
            "interNamespaceAccessLabels": "ignore",
        },
        "storage": {
            "type": "dynamic",
            "capacity": "10Gi",
            "homeMountPath": "/home/jovyan",
            "static": {"subPath": "{username}"},
            "dynamic": {"volumeNameTemplate": "volume-{user_server}", "storageAccessModes": ["ReadWriteOnce"]},
        },
    },
    "scheduling": {
        "userScheduler": {"enabled": True},
        "podPriority": {"enabled": False},
        "userPlaceholder": {"enabled": True, "replicas": 0},
        "userPods": {
            "tolerations": [
                {"key": key, "operator": "Equal", "value": "user", "effect": "NoSchedule"}
                for key in ("hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated")
            ],
            "nodeAffinity": {"matchNodePurpose": "prefer"},
        },
    },
    "imagePullSecret": {"create": False, "automaticReferenceInjection": True},
}
"""The chart's own values that concern labs, of version 4."""
_HUB: Final = "jupyterhub"
_GATEWAY: Final = "dask-gateway"
_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Values:
    """A site's values: JupyterHub's merged with the chart's own, and dask-gateway's; None if it has none."""

    hub: Mapping[str, Any]
    gateway: Mapping[str, Any] | None
    places: tuple[str, ...]
    """The dotted path of JupyterHub's values in the files; empty if they are at the top."""
    misshapen: tuple[str, ...] = ()
    """Sentences on values that were left out, as the chart needs another type there."""


def read_values(files: Iterable[tuple[str, Mapping[str, Any]]]) -> Values:
    """Merge files; later files override earlier ones. JupyterHub may be a dependency of their chart, at any depth.

    Raises:
        SettingsError: A file has no values of JupyterHub.

    """
    hub: Any = {}
    gateway: Any = {}
    places = []
    for name, data in files:
        place = _place_of_hub(data)
        daskhub = _first(data, lambda key, _: key == _GATEWAY)
        if place is None and daskhub is None and data:
            raise SettingsError(
                f"{name} has no values of Zero to JupyterHub: it lacks the sections `singleuser`, `hub` and `{_HUB}`."
            )
        if place is not None:
            hub = _merged(hub, _at(data, place))
            places.append(".".join(place))
        if daskhub is not None:
            gateway = _merged(gateway, _at(data, daskhub))
    hub, of_hub = shapes.well_shaped(hub, shapes.HUB)
    gateway, of_gateway = shapes.well_shaped(gateway, shapes.GATEWAY, f"{_GATEWAY}.")
    return Values(_coalesced(DEFAULTS, hub), gateway or None, tuple(dict.fromkeys(places)), (*of_hub, *of_gateway))


def at(values: Any, path: str) -> Any:
    """Return the value at a dotted path; None if it does not exist."""
    return _at(values, path.split("."))


def _at(values: Any, path: Iterable[str]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _place_of_hub(data: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "singleuser" in data or ("hub" in data and _HUB not in data):
        return ()
    nested = _first(data, lambda key, _: key == _HUB)
    return nested or _first(data, lambda _, value: "singleuser" in value)


def _first(data: Mapping[str, Any], matches: Callable[[str, Mapping[str, Any]], bool]) -> tuple[str, ...] | None:
    """Return the path of the outermost map that matches."""
    level: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), data)]
    for _ in range(_DEPTH):
        level = [
            ((*path, str(key)), inner)
            for path, value in level
            for key, inner in value.items()
            if isinstance(inner, Mapping)
        ]
        found = next((path for path, value in level if matches(path[-1], value)), None)
        if found is not None:
            return found
    return None


def _merged(base: Any, more: Any) -> Any:
    """Merge two files: maps are merged, other values replace; null stays, as it removes a default."""
    if not (isinstance(base, Mapping) and isinstance(more, Mapping)):
        return more
    return {**base, **{key: _merged(base[key], value) if key in base else value for key, value in more.items()}}


def _coalesced(defaults: Any, values: Any) -> Any:
    """Merge values over a chart's own; null removes a value."""
    if not isinstance(values, Mapping):
        return values
    if not isinstance(defaults, Mapping):
        defaults = {}
    kept = {key: value for key, value in defaults.items() if key not in values}
    return {
        **{key: _copied(value) for key, value in kept.items()},
        **{key: _coalesced(defaults.get(key), value) for key, value in values.items() if value is not None},
    }


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value
