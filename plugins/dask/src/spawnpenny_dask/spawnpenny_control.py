"""Serve the control API of a scheduler: a preload of distributed's scheduler, without imports of spawnpenny.

It runs in the image of a user, with Python 3.9 and distributed 2024.1 or newer. It listens at the pod's own address
(``SPAWNPENNY_POD_IP``). All but ``/health`` needs the token in the file beside this one. Errors are answered or logged,
and never reach the scheduler.
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import logging
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler

PORT = 8788
PATIENCE = 2.0
"""Seconds until an answer names the retiring workers, although their data still moves."""
MAX_BODY = 512 * 1024  # bytes: the names of some 12,000 workers
REMEMBERED = 1000
"""The most workers that have left, and ends of processes, that are remembered."""
SETTING_UP = 10.0
"""Seconds for which other preloads may delay that the scheduler counts as ready."""
TOPIC = "spawnpenny"

logger = logging.getLogger("distributed.spawnpenny")


class Watch(SchedulerPlugin):  # type: ignore[misc]
    """The state of a scheduler for the control API, and the retirements under way."""

    name = "spawnpenny-control"

    def __init__(self, scheduler: Any, token: str) -> None:
        self.scheduler = scheduler
        self.token = token
        self.began = time.monotonic()
        self.alone_since: float | None = self.began
        self.first_request = 0.0
        self.retiring: set[asyncio.Task[Any]] = set()
        self.names: dict[str, str] = {}
        self.left: dict[str, float] = {}
        self.departures: dict[str, asyncio.Task[Any]] = {}
        self.dismissed: set[str] = set()
        self.closing = False
        self.ends: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.last_end = 0
        self.last_event: str | None = None
        self.server: Any = None

    def add_worker(self, scheduler: Any, worker: str) -> None:
        name = str(scheduler.workers[worker].name)
        self.names[worker] = name
        self.left.pop(name, None)

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        name = self.names.pop(worker, None)
        if name is not None:
            self.left[name] = time.monotonic()
            while len(self.left) > REMEMBERED:
                del self.left[next(iter(self.left))]

    def add_client(self, scheduler: Any, client: str) -> None:
        if client in self.clients():
            self.alone_since = None

    def remove_client(self, scheduler: Any, client: str) -> None:
        if not [other for other in self.clients() if other != client]:
            self.alone_since = time.monotonic()

    def clients(self) -> list[str]:
        """Return the clients from outside, without those of tasks, which are the cluster's own."""
        own = ("fire-and-forget", "Client-worker-")
        return [client for client in self.scheduler.clients if not client.startswith(own)]

    def is_up(self) -> bool:
        """Return whether the scheduler is ready, or other preloads take too long, as some never end."""
        return self.scheduler.status.name == "running" or time.monotonic() - self.began > SETTING_UP

    def idle(self) -> float | None:
        """Return the seconds without work since the cluster became usable; None while it has work.

        It checks the scheduler itself, whose own checks are too rare to notice the latest submissions.
        """
        since: float | None = self.scheduler.check_idle()
        return None if since is None else min(max(0.0, time.time() - since), time.monotonic() - self.first_request)

    def state(self) -> dict[str, Any]:
        """Return the state of the scheduler. Idle times count from the first call, when the cluster runs."""
        self.first_request = self.first_request or time.monotonic()
        idle, alone, now = self.idle(), self.alone_since, time.monotonic()
        return {
            "workers": {
                str(worker.name): {"status": worker.status.name, "host": worker.host}
                for worker in self.scheduler.workers.values()
            },
            "idle": idle,
            "alone": None if alone is None else now - max(alone, self.first_request),
            "target": int(self.scheduler.adaptive_target()),
            "left": {name: now - at for name, at in self.left.items()},
            "ends": list(self.ends),
            "event": self.last_event,
        }

    def chosen(self, count: int, among: list[str]) -> list[str]:
        """Return the names of the workers that the scheduler would retire first, without those that already go."""
        workers = self.scheduler.workers
        closable = [workers[address] for address in self.scheduler.workers_to_close(n=len(workers))]
        staying = [str(worker.name) for worker in closable if not worker.status.name.startswith("clos")]
        return [name for name in staying if name in among][:count]

    async def retire(self, names: list[str]) -> list[str]:
        """Move the data of these workers to others, and close them; return the names of those that close.

        A worker stays if no other worker can take its data.
        """
        if not names:
            return []
        task = self._begin(self.scheduler.retire_workers(names=names, close_workers=True))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        return [str(worker["name"]) for worker in task.result().values()] if done else names

    async def leave(self, name: str, address: str) -> bool:
        """Return whether a worker whose pod is being deleted may go, as its data has moved or is not needed.

        If no other worker can take the data now, a new one may do so soon.
        """
        if self.closing or name in self.dismissed or address not in self.scheduler.workers:
            return True
        task = self.departures.get(address)
        if task is None or task.done():
            if not self._receivers(address):
                return not self.scheduler.workers[address].has_what
            task = self._begin(self.scheduler.retire_workers(workers=[address], close_workers=False))
            self.departures = {key: other for key, other in self.departures.items() if not other.done()}
            self.departures[address] = task
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        return bool(done and task.exception() is None and task.result())

    def _receivers(self, address: str) -> list[Any]:
        """Return the workers that could take the data of a worker."""
        workers = self.scheduler.workers.values()
        return [worker for worker in workers if worker.address != address and worker.status.name == "running"]

    def process_ended(self, name: str, code: int, memory: bool) -> None:
        """Note the end of a worker's process that its nanny restarts."""
        self.last_end += 1
        self.ends.append({"id": self.last_end, "name": str(name), "code": int(code), "memory": bool(memory)})

    def log_events(self, events: list[dict[str, Any]], ends: int) -> None:
        """Log events of the service for the scheduler's clients, and forget the ends up to an id, which it knows."""
        for event in events:
            self.scheduler.log_event(TOPIC, event)
            self.last_event = event["id"]
        while self.ends and self.ends[0]["id"] <= ends:
            self.ends.popleft()

    def dismiss(self, names: list[str] | None) -> None:
        """Dismiss these workers (None: all): they end at once when their pods are deleted."""
        self.closing = self.closing or names is None
        self.dismissed.update(names or ())

    def _begin(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self.retiring.add(task)
        task.add_done_callback(self._retired)
        return task

    def _retired(self, task: asyncio.Task[Any]) -> None:
        self.retiring.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("spawnpenny: workers could not be retired", exc_info=task.exception())


class Open(RequestHandler):
    watch: Watch

    def initialize(self, watch: Watch) -> None:
        self.watch = watch


class Health(Open):
    def get(self) -> None:
        if not self.watch.is_up():
            raise HTTPError(503)
        self.write({"status": "ok"})


class Closed(Open):
    """Base of the routes that need the token."""

    def prepare(self) -> None:
        given = self.request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.watch.token}".encode()):
            self.set_header("WWW-Authenticate", "Bearer")
            raise HTTPError(401)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, HTTPError):
            logger.error("spawnpenny: %s failed", self.request.path, exc_info=value)

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the request."""
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise HTTPError(400) from None
        if not isinstance(body, dict):
            raise HTTPError(400)
        return body


class State(Closed):
    def get(self) -> None:
        self.write(self.watch.state())


class Retire(Closed):
    async def post(self) -> None:
        names = self._chosen()
        self.write({"names": await self.watch.retire(names)})

    def _chosen(self) -> list[str]:
        body = self.body()
        count, among = body.get("count"), body.get("among")
        if type(count) is not int or count < 0 or among is None or not _are_names(among):
            raise HTTPError(400)
        return self.watch.chosen(count, among)


class Events(Closed):
    def post(self) -> None:
        body = self.body()
        events, ends = body.get("events"), body.get("ends")
        if not isinstance(events, list) or not all(map(_is_event, events)) or type(ends) is not int:
            raise HTTPError(400)
        self.watch.log_events(events, ends)
        self.write({})


class Dismiss(Closed):
    def post(self) -> None:
        names = self.body().get("names")
        if names is not None and not _are_names(names):
            raise HTTPError(400)
        self.watch.dismiss(names)
        self.write({})


def _silent(handler: RequestHandler) -> None:
    """Log no requests, as there may be one a second."""


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def _accept_newer_clients(scheduler: Any) -> None:
    """Ignore unknown arguments in a newer client's request for the scheduler's identity.

    The request comes before the comparison of versions. Else a TypeError would hide that the versions differ.
    """
    identity = scheduler.handlers["identity"]
    known = inspect.signature(identity).parameters

    def tolerant(**given: Any) -> Any:
        return identity(**{name: value for name, value in given.items() if name in known})

    scheduler.handlers["identity"] = tolerant


async def dask_setup(scheduler: Any) -> None:
    """Start the control API. distributed calls this once the scheduler listens."""
    watch = Watch(scheduler, Path(__file__).with_name("control").read_text().strip())
    scheduler.add_plugin(watch)
    _accept_newer_clients(scheduler)
    scheduler.handlers["spawnpenny_leave"] = watch.leave
    scheduler.handlers["spawnpenny_process_ended"] = watch.process_ended
    handlers = {"/health": Health, "/state": State, "/retire": Retire, "/events": Events, "/dismiss": Dismiss}
    application = Application(
        [(path, handler, {"watch": watch}) for path, handler in handlers.items()], log_function=_silent
    )
    watch.server = HTTPServer(application, max_body_size=MAX_BODY)
    watch.server.listen(PORT, address=os.environ["SPAWNPENNY_POD_IP"])


async def dask_teardown(scheduler: Any) -> None:
    """Stop the control API."""
    watch = scheduler.plugins.get(Watch.name)
    if watch is not None:
        watch.server.stop()
