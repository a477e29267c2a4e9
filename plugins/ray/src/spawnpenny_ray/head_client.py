"""A client of a head's dashboard, by Ray's own HTTP API and with the user's token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from spawnpenny_ray.access import DASHBOARD_PORT

_PATIENCE: Final = aiohttp.ClientTimeout(total=10)
_CHUNK: Final = 64 * 1024
_MAX_ANSWER: Final = 2**21
"""Bytes of one answer. Parsing takes time of this process, which all users share."""
_FEW: Final = "limit=100&detail=0&filter_keys=state&filter_values={state}&filter_predicates={predicate}"
_PATHS: Final = {
    "nodes": "/api/v0/nodes?limit=1000&detail=0&filter_keys=state&filter_predicates=%3D&filter_values=ALIVE",
    "status": "/api/cluster_status",
    "actors": f"/api/v0/actors?{_FEW.format(state='DEAD', predicate='%21%3D')}",
    "tasks": f"/api/v0/tasks?{_FEW.format(state='RUNNING', predicate='%3D')}",
}
_STORE: Final = "objectStoreMemory"


class SilentError(Exception):
    """The head did not answer, or not with a valid answer: its state is unknown."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a cluster.

    Attributes:
        nodes: The ids of its nodes by their addresses, the head's too.
        busy: The ids of nodes on which tasks or actors run.
        keeping: The ids of nodes whose object store is not empty.
        idle: Whether no task runs or waits, and no actor exists.

    """

    nodes: Mapping[str, str]
    busy: frozenset[str]
    keeping: frozenset[str]
    idle: bool


@asynccontextmanager
async def dashboard_session(token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session for requests to the dashboard of one user's cluster."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(timeout=_PATIENCE, headers=headers, trust_env=False) as session:
        yield session


async def read_state(session: aiohttp.ClientSession, host: str) -> State:
    """Return the state of the cluster whose head has this address.

    Raises:
        SilentError: The head does not answer, or not as Ray does.

    """
    answers = {}
    for name, path in _PATHS.items():
        answers[name] = await _get(session, f"http://{host}:{DASHBOARD_PORT}{path}")
    try:
        return _state(**answers)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise SilentError(f"an answer of another form: {type(error).__name__}") from None


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise SilentError(f"HTTP status {answer.status}")
            body = b""
            async for chunk in answer.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > _MAX_ANSWER:
                    raise SilentError("a longer answer than is read")
            return json.loads(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise SilentError(str(error) or type(error).__name__) from None


def _state(nodes: Any, status: Any, actors: Any, tasks: Any) -> State:
    load = status["data"]["clusterStatus"]["loadMetricsReport"]
    usage: dict[str, dict[str, Any]] = load["usageByNode"] or {}
    running = [*_rows(actors), *_rows(tasks)]
    in_use = {node for node, resources in usage.items() if any(_used(resources, but=_STORE))}
    waiting = any(load[key] for key in ("resourceDemand", "pgDemand"))
    return State(
        nodes={row["node_ip"]: row["node_id"] for row in _rows(nodes)},
        busy=frozenset(in_use | {row["node_id"] for row in running if row["node_id"]}),
        keeping=frozenset(node for node, resources in usage.items() if resources.get(_STORE, (0, 0))[0]),
        idle=not (in_use or running or waiting),
    )


def _rows(answer: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer["data"]["result"]["result"]
    return rows


def _used(resources: Mapping[str, Any], *, but: str) -> Iterator[float]:
    return (float(amounts[0]) for name, amounts in resources.items() if name != but)
