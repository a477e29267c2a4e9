"""A client of a scheduler's control API, which ``spawnpenny_control`` serves inside the pod."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from spawnpenny.api import Event, Severity
from spawnpenny_dask.pod_manifest import CONTROL_PORT

_PATIENCE: Final = aiohttp.ClientTimeout(total=3)
_CHUNK: Final = 64 * 1024
_MAX_ANSWER: Final = 2**20
"""Bytes of one answer: some 7,000 workers. Parsing takes time of this process, which all users share."""
_AT_ONCE: Final = 32
"""Events in one request, as the scheduler accepts half a MiB."""
_LONGEST: Final = 100 * 366 * 86_400.0
"""The longest plausible time in seconds."""
_RETIRING: Final = aiohttp.ClientTimeout(total=10)


class SilentError(Exception):
    """The scheduler did not answer, or not with a valid answer: its state is unknown."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The end of a worker's process that its nanny restarts. ``memory`` is true if the nanny ended it."""

    id: int
    code: int
    memory: bool


@dataclass(frozen=True, slots=True)
class State:
    """The state of a scheduler.

    Attributes:
        workers: The status of its workers by name.
        target: The number of workers that its work needs.
        idle: The seconds without work; None while it has work.
        alone: The seconds without a client; None while it has one.
        left: The workers that have left, with the seconds since then.
        ends: The ends of processes that nannies have restarted.
        event: The id of the last event that was sent to it.

    """

    workers: Mapping[str, str] = field(default_factory=dict)
    target: int = 0
    idle: float | None = None
    alone: float | None = None
    left: Mapping[str, float] = field(default_factory=dict)
    ends: Sequence[ProcessEnd] = ()
    event: str | None = None


@asynccontextmanager
async def control_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the HTTP session for control APIs."""
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(headers=headers, auto_decompress=False, trust_env=False) as session:
        yield session


class Control:
    """Client of one scheduler's control API. ``host`` returns the present address of its pod."""

    def __init__(self, session: aiohttp.ClientSession, host: Callable[[], str], token: str) -> None:
        self._session = session
        self._host = host
        self._headers = {"Authorization": f"Bearer {token}"}
        self._own_names: dict[str, str] = {}

    def _url(self, path: str) -> str:
        return f"http://{self._host()}:{CONTROL_PORT}{path}"

    async def is_up(self) -> bool:
        """Return whether the scheduler accepts connections."""
        try:
            async with self._session.get(self._url("/health"), timeout=_PATIENCE, allow_redirects=False) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def state(self, *, among: Mapping[str, str]) -> State:
        """Return the state of the scheduler, with these workers only, as it may report any number of others.

        ``among`` maps their names to the hosts of their pods, which identify a worker with another name.

        Raises:
            SilentError: The scheduler does not answer.

        """
        answer = await self._request("GET", "/state", _PATIENCE)
        try:
            hosts = {host.strip("[]"): name for name, host in among.items() if host}
            found = {
                name: name if name in among else hosts.get(_host(worker)) for name, worker in answer["workers"].items()
            }
            self._own_names = {pod: name for name, pod in found.items() if pod is not None}
            return State(
                workers={pod: str(answer["workers"][name]["status"]) for pod, name in self._own_names.items()},
                target=int(answer["target"]),
                idle=None if answer["idle"] is None else _seconds(answer["idle"]),
                alone=None if answer["alone"] is None else _seconds(answer["alone"]),
                left={str(name): _seconds(ago) for name, ago in answer.get("left", {}).items() if name in among},
                ends=[_process_end(end) for end in answer.get("ends", ())],
                event=str(answer["event"]) if answer.get("event") else None,
            )
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise SilentError("its answer is no state") from error

    async def retire(self, count: int, *, among: Sequence[str]) -> frozenset[str]:
        """Have the scheduler retire some of these workers, by its choice; return which it retires.

        Raises:
            SilentError: The scheduler does not answer. It may retire some all the same: its state shows that.

        """
        pods = {self._own_names.get(name, name): name for name in among}
        answer = await self._request("POST", "/retire", _RETIRING, {"count": count, "among": list(pods)})
        names = answer.get("names") if isinstance(answer, dict) else None
        return (
            frozenset(pods[name] for name in map(str, names) if name in pods)
            if isinstance(names, list)
            else frozenset()
        )

    async def dismiss(self, names: Sequence[str] | None = None) -> None:
        """Have these workers (None: all) end at once when their pods are deleted.

        Raises:
            SilentError: The scheduler does not answer. The workers may then take seconds to hand over their data.

        """
        await self._request("POST", "/dismiss", _PATIENCE, {"names": None if names is None else list(names)})

    async def send(self, events: Iterable[Event], *, ends: int) -> None:
        """Log events at the scheduler for its clients, and have it forget the ends of processes up to an id.

        Raises:
            SilentError: The scheduler does not answer. Its state shows the last event that it has.

        """
        for batch in _batched(events, _AT_ONCE):
            await self._request(
                "POST", "/events", _PATIENCE, {"events": [_logged(event) for event in batch], "ends": ends}
            )

    async def _request(self, method: str, path: str, patience: aiohttp.ClientTimeout, body: Any = None) -> Any:
        try:
            async with self._session.request(
                method, self._url(path), headers=self._headers, json=body, timeout=patience, allow_redirects=False
            ) as response:
                if not response.ok:
                    raise SilentError(f"HTTP status {response.status}")
                return await _json(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise SilentError(type(error).__name__) from error


async def _json(response: aiohttp.ClientResponse) -> Any:
    """Return the JSON of an answer. The size is limited, as a program of the user sends it."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _MAX_ANSWER:
            raise SilentError("its answer is too large")
    return json.loads(body)


def _host(worker: Mapping[str, Any]) -> str:
    return str(worker.get("host", ""))


def _batched(items: Iterable[Event], size: int) -> Iterator[list[Event]]:
    """Yield the items in lists of a size; one empty list if there are no items."""
    rest = list(items)
    for start in range(0, max(1, len(rest)), size):
        yield rest[start : start + size]


def _process_end(value: Any) -> ProcessEnd:
    return ProcessEnd(int(value["id"]), int(value["code"]), bool(value["memory"]))


def _logged(event: Event) -> dict[str, Any]:
    """Return an event in the form of ``Client.get_events("spawnpenny")``."""
    return {
        "id": event.id,
        "time": event.time,
        "kind": str(event.type),
        "code": event.code,
        "severity": str(event.severity or Severity.NORMAL),
        "message": event.message,
    }


def _seconds(value: Any) -> float:
    """Return a number of seconds that a program of the user reports.

    Raises:
        ValueError: The number is not plausible, such as infinity, which Python's JSON has, but no other.

    """
    seconds = float(value)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError("no plausible time")
    return seconds
