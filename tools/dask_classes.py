"""Write docs/reference/dask-classes.md: SpawnpennyCluster beside other classes of Dask clusters, from their signatures.

    .venv/bin/python tools/dask_classes.py             # writes the page
    python tools/dask_classes.py --record              # where dask-kubernetes is installed: records its signatures

dask-kubernetes brings four further Kubernetes clients, and is no dependency: its signatures are those of
docs/reference/dask-kubernetes-signatures.json, which names the version.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs" / "reference"
PAGE = DOCS / "dask-classes.md"
RECORD = DOCS / "dask-kubernetes-signatures.json"
CLASSES = {
    "Cluster": ("distributed", "distributed.deploy.cluster"),
    "LocalCluster": ("distributed", "distributed.deploy.local"),
    "GatewayCluster": ("dask-gateway", "dask_gateway"),
    "KubeCluster": ("dask-kubernetes", "dask_kubernetes.operator"),
}
INTERNAL = {"asynchronous", "called_from_running_loop", "loop", "sync", "generate_rich_output"}
"""Members that users do not call."""
DIFFERENCES = {
    "Cluster.__init__": "the service is asked; `loop` and `scheduler_sync_interval` are not used",
    "Cluster.adapt": "the service adapts: bounds are the same, `Adaptive` and its arguments are not used",
    "LocalCluster.__init__": (
        "`memory_limit` and `threads_per_worker` are the options `worker_memory` and `worker_cores`; what concerns "
        "processes and ports of one machine is not used"
    ),
    "LocalCluster.adapt": "the service adapts: bounds are the same, `Adaptive` and its arguments are not used",
    "LocalCluster.from_name": "connects; LocalCluster's is not implemented",
    "LocalCluster.new_worker_spec": "none: workers are the service's",
    "LocalCluster.scale_down": "none: the scheduler says which workers to spare; `client.retire_workers` ends one",
    "LocalCluster.scale_up": "none: use `scale`",
    "LocalCluster.start_worker": "none: use `scale`",
    "GatewayCluster.__init__": (
        "arguments by name; `address` and `proxy_address` are the service and its proxy; `auth` and `loop` are not used"
    ),
    "GatewayCluster.from_name": "accepted, not used: `auth` and `loop`; else the same",
    "GatewayCluster.adapt": "no further arguments: the protocol has none",
    "GatewayCluster.scale": "no further arguments: the protocol has none",
    "KubeCluster.__init__": (
        "`env` and `resources` are options of the site; `namespace`, `worker_command`, services, ports, Jupyter and "
        "time-outs are the site's and not used; `custom_cluster_spec` is refused: a pod's spec is the site's"
    ),
    "KubeCluster.add_worker_group": (
        "scales a group that the site offers; image, resources, command, environment and spec are the site's, not used"
    ),
    "KubeCluster.close": "it waits for the service's answer alone, not until every pod is gone",
    "KubeCluster.jupyter_link": "none: the scheduler runs no Jupyter server",
}
"""What differs, in words; every other member is the same."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="record the signatures of dask-kubernetes")
    if parser.parse_args().record:
        RECORD.write_text(json.dumps(recorded("KubeCluster"), indent=1) + "\n")
    else:
        PAGE.write_text(page())


def page() -> str:
    """Return the page."""
    from spawnpenny.clients.dask import SpawnpennyCluster  # noqa: PLC0415 - not where signatures are recorded

    own = members(SpawnpennyCluster)
    versions = []
    rows = []
    for name in CLASSES:
        found = json.loads(RECORD.read_text()) if name == "KubeCluster" else recorded(name)
        versions.append(f"{name} of {found['package']} {found['version']}")
        rows += [
            f"| {name} | `{shown(name, member)}{signature}` | {verdict(name, member, signature, own)} |"
            for member, signature in found["members"].items()
        ]
    return "\n".join([*_HEAD, f"The signatures are those of {', '.join(versions)}.", "", *_COLUMNS, *rows, ""])


def recorded(name: str) -> dict[str, Any]:
    """Return the public members of a class with their signatures, and the version of its package."""
    package, module = CLASSES[name]
    found = members(getattr(importlib.import_module(module), name))
    return {"package": package, "version": version(package), "members": found}


def members(cls: type) -> dict[str, str]:
    """Return the signature of each public member; of a property, nothing."""
    found = {}
    for name in ["__init__", *sorted(set(dir(cls)))]:
        if name in INTERNAL or (name.startswith("_") and name != "__init__") or name in found:
            continue
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            found[name] = ""
        elif callable(getattr(cls, name)):
            found[name] = signature_of(getattr(cls, name))
    return found


def signature_of(function: Any) -> str:
    """Return the parameters without their types, as they are written in a call."""
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        shown.append(f"{star}{parameter.name}")
    return f"({', '.join(shown)})"


def shown(name: str, member: str) -> str:
    return name if member == "__init__" else member


def verdict(name: str, member: str, signature: str, own: dict[str, str]) -> str:
    """Return what becomes here of a member.

    Raises:
        ValueError: Nothing here has it, or takes all its parameters, and no difference is written down.

    """
    different = DIFFERENCES.get(f"{name}.{member}")
    if different is not None:
        if different.startswith("none: "):
            return f"not there: {different[6:]}"
        return different if different.startswith("accepted, not used: ") else f"differs: {different}"
    missing = names_of(signature) - names_of(own.get(member, "-"))
    if member not in own or missing:
        raise ValueError(f"{name}.{member}{signature}: say in DIFFERENCES what becomes of it ({sorted(missing)})")
    return "the same"


def names_of(signature: str) -> set[str]:
    names = {parameter.strip() for parameter in signature.strip("()").split(",")} - {"", "*"}
    return {"**" if name.startswith("**") else name for name in names}


_HEAD = [
    "# SpawnpennyCluster beside other classes",
    "",
    "What is written for other classes of Dask clusters, member by member, and what becomes of it with",
    "[SpawnpennyCluster](dask-native.md). `tools/dask_classes.py` writes this page.",
    "",
]
_COLUMNS = ["| class | what is called | with SpawnpennyCluster |", "|---|---|---|"]

if __name__ == "__main__":
    main()
