"""The values of Zero to JupyterHub: a site's files merged over the chart's own values, as Helm does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from spawnpenny.admin.migration import shapes
from spawnpenny.domain.chart_migration import ChartMigration
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
_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class Values:
    """A site's values: JupyterHub's merged with the chart's own, and those of other charts that a plugin knows."""

    hub: Mapping[str, Any]
    others: Sequence[tuple[ChartMigration, Mapping[str, Any]]]
    places: tuple[str, ...]
    """The dotted path of JupyterHub's values in the files; empty if they are at the top."""
    misshapen: tuple[str, ...] = ()
    """Sentences on values that were left out, as the chart needs another type there."""


def read_values(files: Iterable[tuple[str, Mapping[str, Any]]], migrations: Sequence[ChartMigration] = ()) -> Values:
    """Merge files; later files override earlier ones. JupyterHub may be a dependency of their chart, at any depth.

    ``migrations`` are those of further charts, which may be dependencies, too.

    Raises:
        SettingsError: A file has no values of JupyterHub.

    """
    hub: Any = {}
    others: dict[str, Any] = {}
    places = []
    for name, data in files:
        place = _place_of_hub(data)
        found = {migration.chart: _place_of(data, migration.chart) for migration in migrations}
        if place is None and not any(found.values()) and data:
            raise SettingsError(
                f"{name} has no values of Zero to JupyterHub: it lacks the sections `singleuser`, `hub` and `{_HUB}`."
            )
        if place is not None:
            hub = _merged(hub, _at(data, place))
            places.append(".".join(place))
        others |= {
            chart: _merged(others.get(chart, {}), _at(data, path)) for chart, path in found.items() if path is not None
        }
    hub, of_hub = shapes.well_shaped(hub, shapes.HUB)
    shaped = []
    misshapen = list(of_hub)
    for migration in migrations:
        values, notes = shapes.well_shaped(others.get(migration.chart, {}), migration.shapes, f"{migration.chart}.")
        misshapen += notes
        shaped += [(migration, values)] if values else []
    return Values(_coalesced(DEFAULTS, hub), shaped, tuple(dict.fromkeys(places)), tuple(misshapen))


def at(values: Any, path: str) -> Any:
    """Return the value at a dotted path; None if it does not exist."""
    return _at(values, path.split("."))


def _at(values: Any, path: Iterable[str]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _place_of(data: Mapping[str, Any], chart: str) -> tuple[str, ...] | None:
    return _first(data, lambda key, _: key == chart)


def _place_of_hub(data: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "singleuser" in data or ("hub" in data and _HUB not in data):
        return ()
    nested = _place_of(data, _HUB)
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
