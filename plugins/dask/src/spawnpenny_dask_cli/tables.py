"""Dask clusters and their workers as text for a terminal."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from spawnpenny.api import format_quantity, parse_quantity
from spawnpenny.api.client import Cluster, Waiting, WorkerList, aligned, duration, folded, note, printable, width

_LIVE: Final = frozenset({"requested", "pending", "running"})
_ORDERS: Final[Mapping[str, Callable[[Cluster], Decimal | float]]] = {
    "age": lambda cluster: -cluster.requested_at,
    "cpu": lambda cluster: _amount(cluster, "cpu"),
    "idle": lambda cluster: -(cluster.idle_since or math.inf),
    "memory": lambda cluster: _amount(cluster, "memory"),
    "workers": lambda cluster: cluster.desired if cluster.phase in _LIVE else -1,
}
SORTED_BY: Final = ("user", *_ORDERS)


def cluster_table(clusters: Sequence[Cluster]) -> Iterator[str]:
    """Yield a table of clusters as lines; below a row, why the cluster failed or ended, or what it waits for."""
    now = time.time()
    rows = [("user", "cluster", "phase", "workers", "cpu", "memory", "age", "idle")]
    for cluster in clusters:
        used, size = cluster.resources, ("", "", "")
        if cluster.phase in _LIVE:
            size = (_workers(cluster), used.get("cpu", ""), used.get("memory", ""))
        idle = "" if cluster.idle_since is None else duration(now - cluster.idle_since)
        rows.append((cluster.user, cluster.cluster, cluster.phase, *size, duration(now - cluster.requested_at), idle))
    heading, *entries = folded(rows, names=2)
    yield from heading
    for entry, cluster in zip(entries, clusters, strict=True):
        yield from entry
        if cluster.reason is not None:
            yield from note(f"{cluster.reason.message} ({cluster.reason.code})")
        elif cluster.waiting_for is not None:
            yield from note(_with_code(cluster.waiting_for))

    if len(clusters) > 1:
        yield ""
        yield textwrap.fill(_total(clusters), width() or 1000)


def sorted_by(name: str, clusters: Sequence[Cluster]) -> list[Cluster]:
    """Return clusters in an order of ``SORTED_BY``; in an order by size, ended clusters come last."""
    return list(clusters) if name == "user" else sorted(clusters, key=_ORDERS[name], reverse=True)


def worker_table(found: WorkerList) -> Iterator[str]:
    """Yield a table of workers as lines; below a row, what the worker waits for, or why it ended."""
    now = time.time()
    rows = [("worker", "group", "phase", "since", "node")]
    rows += [
        (worker.name, worker.group, worker.phase, duration(now - worker.since), worker.node or "")
        for worker in found.workers
    ]
    if found.workers:
        heading, *entries = folded(rows, names=1)
        yield from heading
        for entry, worker in zip(entries, found.workers, strict=True):
            yield from entry
            if worker.reason is not None:
                yield from note(f"{worker.reason.message} ({worker.reason.code})")
            elif worker.waiting_for is not None:
                yield from note(_with_code(worker.waiting_for))
    if found.missing:
        again = "" if found.retry_at is None else f" The next try is in {duration(found.retry_at - now)}."
        why = "" if found.waiting_for is None else f": {_with_code(found.waiting_for)}"
        workers = "1 worker is" if found.missing == 1 else f"{found.missing} workers are"
        yield printable(f"{workers} not made yet{why or '.'}{again}")
    elif not found.workers:
        yield "There are no workers."


def cluster_facts(found: Cluster) -> Iterator[str]:
    """Yield one line for each fact about a cluster, and for each of its steps."""
    facts = [("user", found.user), ("cluster", found.cluster), ("phase", found.phase)]
    facts += [("url", found.url)] if found.url else []
    if found.phase in _LIVE:
        facts += [("workers", f"{_workers(found)}{_bounds(found)}")]
        groups = found.groups.items() if len(found.groups) > 1 else ()
        facts += [("", f"{counts['running']} of {counts['desired']} {name}") for name, counts in groups]
        facts += [("size", ", ".join(f"{name} {value}" for name, value in found.resources.items()))]
    facts += [("age", duration(time.time() - found.requested_at))]
    facts += [("idle", duration(time.time() - found.idle_since))] if found.idle_since is not None else []
    facts += [("waiting", _with_code(found.waiting_for))] if found.waiting_for is not None else []
    facts += [("lab", found.lab)] if found.lab else []
    facts += (
        [("options", ", ".join(f"{name}={value}" for name, value in found.options.items()))] if found.options else []
    )
    facts += [("reason", f"{found.reason.text} ({found.reason.code})")] if found.reason else []
    for name, value in facts:
        yield f"{name:8} {printable(value)}"
    if found.steps:
        yield ""
        rows = [(step.name, step.state, "" if step.seconds is None else f"{step.seconds:.3f}") for step in found.steps]
        yield from aligned([("step", "state", "seconds"), *rows])


def _total(clusters: Sequence[Cluster]) -> str:
    live = [cluster for cluster in clusters if cluster.phase in _LIVE]
    running = sum(cluster.workers.running for cluster in live)
    desired = sum(cluster.desired for cluster in live)
    cpu, memory = (sum((_amount(cluster, name) for cluster in live), Decimal()) for name in ("cpu", "memory"))
    owners = {cluster.user for cluster in clusters}
    users = "" if len(owners) == 1 else f" of {len(owners)} users"
    return (
        f"{len(clusters)} clusters{users}: {running} of {desired} workers run. "
        f"They use {format_quantity(cpu)} CPU and {format_quantity(memory)} memory."
    )


def _amount(cluster: Cluster, name: str) -> Decimal:
    return parse_quantity(cluster.resources.get(name, "0"))


def _with_code(waiting: Waiting) -> str:
    return f"{waiting.message} ({waiting.code})" if waiting.code else waiting.message


def _workers(cluster: Cluster) -> str:
    return f"{cluster.workers.running} of {cluster.desired}"


def _bounds(cluster: Cluster) -> str:
    scale = cluster.scale
    if not scale.adaptive:
        return ""
    maximum = "as many as fit" if scale.maximum is None else str(scale.maximum)
    return f", adapting from {scale.minimum} to {maximum}"
