"""Carry over the values of dask-gateway's chart to settings of the plugin for Dask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.api import SCHEDULER, WORKER, ChartMigration
from spawnpenny_dask.migration.config import GatewayConfig, read_config
from spawnpenny_dask.migration.units import quantity

_OURS: Final = "plugins.dask"
_CHART: Final = "dask-gateway"
_PLACE: Final = f"{_CHART}.gateway"
_ROLES: Final = (SCHEDULER, WORKER)
_ROLE_KEYS: Final = {"extraPodConfig": "extra_pod_config", "extraContainerConfig": "extra_container_config"}


def gateway_migration() -> ChartMigration:
    """Return the migration from the values of dask-gateway's chart."""
    roles = {f"gateway.backend.{role}": dict for role in _ROLES}
    return ChartMigration(_CHART, _settings, _not_carried, _notes, {"gateway": dict, "gateway.backend": dict, **roles})


def _settings(gateway: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that follow from the chart's values, by dotted name."""
    backend = at(gateway, "gateway.backend") or {}
    found: dict[str, Any] = {_OURS: {}}
    name, tag = at(backend, "image.name"), at(backend, "image.tag")
    given = {
        "image": f"{name}:{tag}" if name and tag else name,
        "image_pull_policy": at(backend, "image.pullPolicy"),
        "image_pull_secrets": backend.get("imagePullSecrets"),
        "environment": backend.get("environment"),
    }
    found |= {f"{_OURS}.{key}": value for key, value in given.items() if value}
    for role in _ROLES:
        found |= {f"{_OURS}.{role}.{key}": value for key, value in _role(backend.get(role) or {}).items()}
    prefix = at(gateway, "gateway.prefix")
    if isinstance(prefix, str) and prefix.strip("/"):
        found["web.prefix"] = f"/{prefix.strip('/')}"
    options: dict[str, Any] = {}
    for _, config in _configs(gateway):
        found |= {f"{_OURS}.{name}": value for name, value in (config.settings if config else {}).items()}
        options |= config.options if config else {}
    return {**found, **({f"{_OURS}.options": options} if options else {})}


def _configs(gateway: Mapping[str, Any]) -> Iterator[tuple[str, GatewayConfig | None]]:
    """Yield the places of Python code, with the settings that it sets; None for invalid code."""
    config = at(gateway, "gateway.extraConfig") or {}
    pieces = config if isinstance(config, Mapping) else {"": config}
    for name, source in sorted(pieces.items()):
        yield f"{_PLACE}.extraConfig{f'.{name}' if name else ''}", read_config(source)


def _role(values: Mapping[str, Any]) -> dict[str, Any]:
    cores, memory = (at(values, f"{what}.limit") or at(values, f"{what}.request") for what in ("cores", "memory"))
    given = {"cores": cores, "memory": quantity(memory), "threads": values.get("threads")}
    given |= {ours: values.get(key) for key, ours in _ROLE_KEYS.items()}
    return {key: value for key, value in given.items() if value}


def _not_carried(gateway: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the values of dask-gateway that are not carried over: place, reason, and what to do."""
    do = f"Set the options of a cluster in {_OURS}.options, and idle_timeout, max_workers and max_clusters in {_OURS}."
    for place, config in _configs(gateway):
        if config is None or not (config.settings or config.options or config.left):
            yield place, "it is Python, and sets nothing to a literal value", do
        elif config.left:
            yield place, f"it is Python, and these are not literal values: {', '.join(config.left)}", do
    for role in _ROLES:
        for what in ("cores", "memory"):
            request, limit = (at(gateway, f"gateway.backend.{role}.{what}.{key}") for key in ("request", "limit"))
            if request and limit and request != limit:
                yield (
                    f"{_PLACE}.backend.{role}.{what}.request",
                    "a pod's request is always the same as its limit",
                    f"{_OURS}.{role}.{what} has the limit; change it if that is too much.",
                )


def _notes(gateway: Mapping[str, Any]) -> Iterator[str]:
    """Yield notes on dask-gateway."""
    del gateway
    yield (
        "dask-gateway: its gateway, controller and traefik are not needed any more. Notebooks keep their client: "
        "set gateway.address and gateway.proxy_address, and labs find the service (docs/how-to/dask.md)."
    )


def at(values: Any, path: str) -> Any:
    """Return the value at a dotted path; None if it does not exist."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values
