"""A client of a scheduler's control API, which ``spawnpenny_control`` serves inside the pod."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from spawnpenny.api import Event, Severity
from spawnpenny_dask.objects import CONTROL_PORT

_PATIENCE: Final = aiohttp.ClientTimeout(total=3)
_CHUNK: Final = 64 * 1024
_MAX_ANSWER: Final = 2**20
"""Bytes: of some 7,000 workers. To read them takes this process's time, which all users share."""
_AT_ONCE: Final = 32
"""Events in one request: the scheduler takes half a MiB."""
_LONGEST: Final = 100 * 366 * 86_400.0
"""Seconds that a scheduler may have been idle."""
_RETIRING: Final = aiohttp.ClientTimeout(total=10)


class SilentError(Exception):
    """The scheduler did not answer, or not in a way that can be understood: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The end of a worker's process that its nanny has restarted; ``memory`` if the nanny ended it."""

    id: int
    code: int
    memory: bool


@dataclass(frozen=True, slots=True)
class State:
    """The state of a scheduler: its workers' status by name, and the number of workers that it would like.

    ``idle`` and ``alone`` are the seconds since when it has had nothing to do, and no client; None where it has.
    ``left`` are the workers that it had, with the seconds since when it has them no more; ``ends`` how processes ended
    that nannies have started again; ``event`` is the id of the last event that it was sent.
    """

    workers: Mapping[str, str] = field(default_factory=dict)
    target: int = 0
    idle: float | None = None
    alone: float | None = None
    left: Mapping[str, float] = field(default_factory=dict)
    ends: Sequence[ProcessEnd] = ()
    event: str | None = None


@asynccontextmanager
async def asking() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the client for schedulers' control APIs."""
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(headers=headers, auto_decompress=False, trust_env=False) as session:
        yield session


class Control:
    """The control API of a scheduler; ``host`` returns where that is at the moment."""

    def __init__(self, session: aiohttp.ClientSession, host: Callable[[], str], token: str) -> None:
        self._session = session
        self._host = host
        self._headers = {"Authorization": f"Bearer {token}"}
        self._own_names: dict[str, str] = {}

    def _url(self, path: str) -> str:
        return f"http://{self._host()}:{CONTROL_PORT}{path}"

    async def is_up(self) -> bool:
        """Return whether the scheduler takes connections."""
        try:
            async with self._session.get(self._url("/health"), timeout=_PATIENCE, allow_redirects=False) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def state(self, *, among: Mapping[str, str]) -> State:
        """Return what the scheduler reports of itself, and of these workers: of others it may report without end.

        ``among`` are their names with the hosts of their pods, by which one is known that has no name of its own.

        Raises:
            SilentError: It does not.

        """
        told = await self._ask("GET", "/state", _PATIENCE)
        try:
            hosts = {host.strip("[]"): name for name, host in among.items() if host}
            found = {
                name: name if name in among else hosts.get(_host(worker)) for name, worker in told["workers"].items()
            }
            self._own_names = {pod: name for name, pod in found.items() if pod is not None}
            return State(
                workers={pod: str(told["workers"][name]["status"]) for pod, name in self._own_names.items()},
                target=int(told["target"]),
                idle=None if told["idle"] is None else _seconds(told["idle"]),
                alone=None if told["alone"] is None else _seconds(told["alone"]),
                left={str(name): _seconds(ago) for name, ago in told.get("left", {}).items() if name in among},
                ends=[_process_end(end) for end in told.get("ends", ())],
                event=str(told["event"]) if told.get("event") else None,
            )
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise SilentError("it answers what is no state") from error

    async def retire(self, count: int, *, among: Sequence[str]) -> frozenset[str]:
        """Retire so many of these workers, of the scheduler's choice; return which go, once their data has moved.

        Raises:
            SilentError: It does not answer. It may have understood: its state shows that.

        """
        pods = {self._own_names.get(name, name): name for name in among}
        told = await self._ask("POST", "/retire", _RETIRING, {"count": count, "among": list(pods)})
        names = told.get("names") if isinstance(told, dict) else None
        return (
            frozenset(pods[name] for name in map(str, names) if name in pods)
            if isinstance(names, list)
            else frozenset()
        )

    async def dismiss(self, names: Sequence[str] | None = None) -> None:
        """Say that these workers (None: all) are to end at once when their pods are deleted.

        Raises:
            SilentError: It does not answer: they may take some seconds to look for a place for their data.

        """
        await self._ask("POST", "/dismiss", _PATIENCE, {"names": None if names is None else list(names)})

    async def send(self, events: Iterable[Event], *, ends: int) -> None:
        """Log events at the scheduler for its clients, and forget the ends of processes up to one.

        Raises:
            SilentError: It does not; its state says which it has.

        """
        for some in _batched(events, _AT_ONCE):
            await self._ask("POST", "/events", _PATIENCE, {"events": [_logged(each) for each in some], "ends": ends})

    async def _ask(self, method: str, path: str, patience: aiohttp.ClientTimeout, body: Any = None) -> Any:
        try:
            async with self._session.request(
                method, self._url(path), headers=self._headers, json=body, timeout=patience, allow_redirects=False
            ) as response:
                if not response.ok:
                    raise SilentError(f"it answers with {response.status}")
                return await _json(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise SilentError(type(error).__name__) from error


async def _json(response: aiohttp.ClientResponse) -> Any:
    """Return what was answered. The program that answers is its user's: what it sends is bounded."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _MAX_ANSWER:
            raise SilentError("it answers too much")
    return json.loads(body)


def _host(worker: Mapping[str, Any]) -> str:
    return str(worker.get("host", ""))


def _batched(items: Iterable[Event], size: int) -> Iterator[list[Event]]:
    """Yield the items in lists of a size; an empty one where there are none."""
    rest = list(items)
    for start in range(0, max(1, len(rest)), size):
        yield rest[start : start + size]


def _process_end(value: Any) -> ProcessEnd:
    return ProcessEnd(int(value["id"]), int(value["code"]), bool(value["memory"]))


def _logged(event: Event) -> dict[str, Any]:
    """Return an event as ``Client.get_events("spawnpenny")`` has it."""
    return {
        "id": event.id,
        "time": event.time,
        "kind": str(event.type),
        "code": event.code,
        "severity": str(event.severity or Severity.NORMAL),
        "message": event.message,
    }


def _seconds(value: Any) -> float:
    """Return a time that a program of a user's reports, if it is one.

    Raises:
        ValueError: It is none: JSON of Python's has infinity, and what is kept of it would be JSON nowhere else.

    """
    seconds = float(value)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError("no cluster is as old as that")
    return seconds
