"""Translate arguments of other cluster classes into the options of the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.units import cores, in_unit, memory, number

_SITES: Final = frozenset(
    {
        *(
            "auth",
            "namespace",
            "worker_command",
            "port_forward_cluster_ip",
            "resource_timeout",
            "scheduler_service_type",
        ),
        *("scheduler_forward_port", "jupyter", "processes", "silence_logs", "dashboard_address", "start"),
        *(
            "worker_dashboard_address",
            "services",
            "worker_services",
            "service_kwargs",
            "blocked_handlers",
            "host",
            "ip",
        ),
        *("scheduler_port", "protocol", "interface", "worker_class", "scheduler_kwargs", "local_directory", "security"),
        *("death_timeout", "idle_timeout", "loop", "scheduler_sync_interval"),
    }
)
"""Arguments of GatewayCluster, KubeCluster and LocalCluster that the site decides here, or that have no effect."""
_TRANSLATED: Final = frozenset(
    {"cluster_options", "env", "memory_limit", "threads_per_worker", "nthreads", "resources"}
)
_MEMORY_IS_THE_SITES: Final = ("auto", 0, None)


def is_foreign(arguments: Mapping[str, Any]) -> bool:
    """Return whether some arguments may need translation."""
    amounts = any(isinstance(value, str) and value[:1].isdigit() for value in arguments.values())
    return amounts or not (_SITES | _TRANSLATED).isdisjoint(arguments)


def translate(arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options by the arguments, and the names of unused arguments.

    Args:
        arguments: The user's arguments. The name of an option of the site always means that option.
        fields: The site's options by name.

    Raises:
        ClusterError: A value has no translation.

    """
    given: dict[str, Any] = {}
    unused = []
    for name, value in arguments.items():
        if name in fields or name not in _SITES | _TRANSLATED:
            given[name] = number(name, value, fields.get(name))
        elif name in _SITES and value not in (None, False):
            unused.append(name)
    options: dict[str, Any] = {}
    foreign = [name for name in arguments if name in _TRANSLATED and name not in fields]
    for name in sorted(foreign, key="cluster_options".__ne__):  # arguments of their own override cluster_options
        if arguments[name] is not None:
            options = _joined(options, _offered(name, _translated(name, arguments[name], fields), fields))
    return _joined(options, given), unused


def _joined(options: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with further ones, which override them; mappings are merged."""
    joined = dict(options)
    for name, value in further.items():
        existing = joined.get(name)
        both = isinstance(existing, Mapping) and isinstance(value, Mapping)
        joined[name] = {**existing, **value} if both else value  # type: ignore[dict-item]
    return joined


def _offered(name: str, options: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a translated argument, if the site offers them.

    Raises:
        ClusterError: The site does not offer one of them.

    """
    missing = options.keys() - fields.keys()
    if missing and name != "cluster_options":  # the service checks its names
        offered = ", ".join(sorted(fields)) or "none"
        raise ClusterError(
            f"{name} is the option {min(missing)}, which this site does not offer. It offers: {offered}."
        )
    return options


def _translated(name: str, value: Any, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if name == "cluster_options":
        return dict(value)
    if name == "env":
        return {"environment": _environment(value)}
    if name == "resources":
        return _sizes(value, fields)
    if name == "memory_limit":
        return {} if value in _MEMORY_IS_THE_SITES else _sized("worker_memory", memory(name, value), fields)
    return (
        {"worker_threads": value} if "worker_threads" in fields else _sized("worker_cores", cores(name, value), fields)
    )


def _sized(name: str, amount: float, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: in_unit(amount, name, fields.get(name))}


def _environment(env: Any) -> dict[str, Any]:
    """Return variables by name. KubeCluster also accepts a list, as Kubernetes has it."""
    if isinstance(env, Mapping):
        return dict(env)
    try:
        return {variable["name"]: variable["value"] for variable in env}
    except (KeyError, TypeError):
        raise ClusterError(
            "env has to be variables by name, as {'NAME': 'value'}, or a list of {'name': …, 'value': …}. "
            "Only the site sets variables with valueFrom."
        ) from None


def _sizes(resources: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the size of workers by Kubernetes' limits, or else by its requests."""
    try:
        found = {**resources.get("requests", {}), **resources.get("limits", {})}
    except (AttributeError, TypeError):
        raise ClusterError("resources has to be {'limits': {'cpu': …, 'memory': …}}.") from None
    other = found.keys() - {"cpu", "memory"}
    if other:
        raise ClusterError(f"resources has {min(other)}; only cpu and memory can be set here.")
    sizes: dict[str, Any] = {}
    if "cpu" in found:
        sizes |= _sized("worker_cores", cores("cpu", found["cpu"]), fields)
    if "memory" in found:
        sizes |= _sized("worker_memory", memory("memory", found["memory"]), fields)
    return sizes
