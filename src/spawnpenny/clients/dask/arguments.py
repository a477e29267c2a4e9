"""Translate what is written for other classes of clusters into the options that a site has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dask.utils import parse_bytes

from spawnpenny.clients.dask.errors import ClusterError

_GIB: Final = 2**30
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
"""Arguments of GatewayCluster, KubeCluster and LocalCluster that the site decides here, or that are of no use."""
_TRANSLATED: Final = frozenset(
    {"cluster_options", "env", "memory_limit", "threads_per_worker", "nthreads", "resources"}
)
_MEMORY: Final = "_memory"
_NUMBERS: Final = frozenset({"int", "float"})
_MEMORY_IS_THE_SITES: Final = ("auto", 0, None)


def is_foreign(arguments: Mapping[str, Any]) -> bool:
    """Return whether some arguments may have to be translated."""
    amounts = any(name.endswith(_MEMORY) and isinstance(value, str) for name, value in arguments.items())
    return amounts or not (_SITES | _TRANSLATED).isdisjoint(arguments)


def translate(arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options that arguments come to, and the names of those that are not used.

    Args:
        arguments: What the user wrote. A name that is an option of the site is that option, whatever else it may be.
        fields: The site's options by name.

    Raises:
        ClusterError: A value cannot be translated.

    """
    options, unused = {}, []
    for name, value in arguments.items():
        if name in fields or name not in _SITES | _TRANSLATED:
            options[name] = _in_gib(name, value, fields.get(name))
        elif name in _SITES:
            if value not in (None, False):
                unused.append(name)
        elif value is not None:
            options |= _offered(name, _translated(name, value, fields), fields)
    return options, unused


def _offered(name: str, options: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options that an argument comes to, where the site has them.

    Raises:
        ClusterError: It has not.

    """
    missing = options.keys() - fields.keys()
    if missing and name != "cluster_options":  # whose names the service checks
        offered = ", ".join(sorted(fields)) or "none"
        raise ClusterError(f"{name} is the option {min(missing)}, which this site does not have. It has: {offered}.")
    return options


def _translated(name: str, value: Any, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if name == "cluster_options":
        return dict(value)
    if name == "env":
        return {"environment": _environment(value)}
    if name == "resources":
        return _sizes(value)
    if name == "memory_limit":
        return {} if value in _MEMORY_IS_THE_SITES else {"worker_memory": _gib(name, value)}
    return {"worker_threads" if "worker_threads" in fields else "worker_cores": value}


def _in_gib(name: str, value: Any, field: Mapping[str, Any] | None) -> Any:
    """Return an amount of memory with a unit as the number that an option takes; every other value as it is."""
    number = field is not None and (field.get("spec") or {}).get("type") in _NUMBERS
    return _gib(name, value) if number and name.endswith(_MEMORY) and isinstance(value, str) else value


def _environment(env: Any) -> dict[str, Any]:
    """Return variables by name. KubeCluster takes Kubernetes' own list of them as well."""
    if isinstance(env, Mapping):
        return dict(env)
    try:
        return {variable["name"]: variable["value"] for variable in env}
    except (KeyError, TypeError):
        raise ClusterError(
            "env has to be variables by name, as {'NAME': 'value'}, or a list of {'name': …, 'value': …}: "
            "what takes its value from elsewhere is set by the site."
        ) from None


def _sizes(resources: Any) -> dict[str, Any]:
    """Return the size of workers that Kubernetes' limits, or else requests, say."""
    try:
        found = {**resources.get("requests", {}), **resources.get("limits", {})}
    except (AttributeError, TypeError):
        raise ClusterError("resources has to be {'limits': {'cpu': …, 'memory': …}}.") from None
    other = found.keys() - {"cpu", "memory"}
    if other:
        raise ClusterError(f"resources has {min(other)}; only cpu and memory can be chosen so.")
    sizes = {}
    if "cpu" in found:
        sizes["worker_cores"] = _cores(found["cpu"])
    if "memory" in found:
        sizes["worker_memory"] = _gib("memory", found["memory"])
    return sizes


def _cores(cpu: Any) -> float:
    text = str(cpu)
    try:
        return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    except ValueError:
        raise ClusterError(f"cpu is {cpu!r}; it has to be a number of cores, such as 2, or '500m'.") from None


def _gib(name: str, memory: Any) -> float:
    text = f"{memory}B" if str(memory)[-1:] in {"K", "M", "G", "T"} else memory
    text = f"{memory}B" if str(memory)[-2:] in {"Ki", "Mi", "Gi", "Ti"} else text
    try:
        return float(parse_bytes(text)) / _GIB
    except ValueError:
        raise ClusterError(f"{name} is {memory!r}; it has to be an amount of memory, such as '4 GiB'.") from None
