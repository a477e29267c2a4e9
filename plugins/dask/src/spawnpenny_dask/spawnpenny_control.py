"""Tells of a scheduler, and retires workers: a preload of distributed's scheduler, with nothing of spawnpenny.

It runs inside the image of a user: Python 3.9 and distributed 2024.1 are enough for it. It listens at the pod's own
address (``SPAWNPENNY_POD_IP``), and but for ``/health`` answers only who has the token that lies beside it. Whatever
goes wrong here is answered or logged, and never reaches the scheduler.
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler

PORT = 8788
PATIENCE = 2.0
"""Seconds until an answer says which workers are being retired, though data still moves."""
MAX_BODY = 64 * 1024

logger = logging.getLogger("distributed.spawnpenny")


class Watch(SchedulerPlugin):  # type: ignore[misc]
    """Knows since when there is no client, and holds what runs in the background."""

    name = "spawnpenny-control"

    def __init__(self, scheduler: Any, token: str) -> None:
        self.scheduler = scheduler
        self.token = token
        self.alone_since: float | None = time.monotonic()
        self.retiring: set[asyncio.Task[Any]] = set()
        self.server: Any = None

    def add_client(self, scheduler: Any, client: str) -> None:
        if client in self.clients():
            self.alone_since = None

    def remove_client(self, scheduler: Any, client: str) -> None:
        if not [each for each in self.clients() if each != client]:
            self.alone_since = time.monotonic()

    def clients(self) -> list[str]:
        """Return the clients from outside: those of tasks are the cluster's own."""
        own = ("fire-and-forget", "Client-worker-")
        return [client for client in self.scheduler.clients if not client.startswith(own)]

    def state(self) -> dict[str, Any]:
        idle, alone = self.scheduler.idle_since, self.alone_since
        return {
            "workers": {str(worker.name): {"status": worker.status.name} for worker in self.scheduler.workers.values()},
            "idle": None if idle is None else max(0.0, time.time() - idle),
            "alone": None if alone is None else time.monotonic() - alone,
            "target": int(self.scheduler.adaptive_target()),
        }

    def chosen(self, count: int, among: list[str]) -> list[str]:
        """Return the names of so many of these workers that can best be spared, but for those that leave already."""
        workers = self.scheduler.workers
        spared = [workers[address] for address in self.scheduler.workers_to_close(n=len(workers))]
        staying = [str(worker.name) for worker in spared if not worker.status.name.startswith("clos")]
        return [name for name in staying if name in among][:count]

    async def retire(self, names: list[str]) -> list[str]:
        """Move what only these workers hold to others, and close them; return those that do close.

        One whose data no other worker can take stays.
        """
        if not names:
            return []
        task = asyncio.ensure_future(self.scheduler.retire_workers(names=names, close_workers=True))
        self.retiring.add(task)
        task.add_done_callback(self._retired)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        return [str(worker["name"]) for worker in task.result().values()] if done else names

    def _retired(self, task: asyncio.Task[Any]) -> None:
        self.retiring.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("spawnpenny: workers could not be retired", exc_info=task.exception())


class Health(RequestHandler):
    def get(self) -> None:
        self.write({"status": "ok"})


class Closed(RequestHandler):
    """What is for spawnpenny alone."""

    watch: Watch

    def initialize(self, watch: Watch) -> None:
        self.watch = watch

    def prepare(self) -> None:
        given = self.request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.watch.token}".encode()):
            self.set_header("WWW-Authenticate", "Bearer")
            raise HTTPError(401)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, HTTPError):
            logger.error("spawnpenny: %s failed", self.request.path, exc_info=value)


class State(Closed):
    def get(self) -> None:
        self.write(self.watch.state())


class Retire(Closed):
    async def post(self) -> None:
        names = self._asked()
        self.write({"names": await self.watch.retire(names)})

    def _asked(self) -> list[str]:
        try:
            body = json.loads(self.request.body)
            count, among = body.get("count"), body.get("among")
        except (ValueError, AttributeError, RecursionError):
            raise HTTPError(400) from None
        if type(count) is not int or count < 0 or not _are_names(among):
            raise HTTPError(400)
        return self.watch.chosen(count, among)


def _silent(handler: RequestHandler) -> None:
    """Log no request: there is one a second."""


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _be_asked_by_newer(scheduler: Any) -> None:
    """Let a newer client ask which scheduler this is, with arguments that are not known here.

    It asks that before versions are compared: else it would fail by a TypeError, and never say that they differ.
    """
    identity = scheduler.handlers["identity"]
    known = inspect.signature(identity).parameters

    def tolerant(**given: Any) -> Any:
        return identity(**{name: value for name, value in given.items() if name in known})

    scheduler.handlers["identity"] = tolerant


async def dask_setup(scheduler: Any) -> None:
    """Start to listen; distributed calls this once the scheduler does."""
    watch = Watch(scheduler, Path(__file__).with_name("control").read_text().strip())
    scheduler.add_plugin(watch)
    _be_asked_by_newer(scheduler)
    application = Application(
        [("/health", Health), ("/state", State, {"watch": watch}), ("/retire", Retire, {"watch": watch})],
        log_function=_silent,
    )
    watch.server = HTTPServer(application, max_body_size=MAX_BODY)
    watch.server.listen(PORT, address=os.environ["SPAWNPENNY_POD_IP"])


async def dask_teardown(scheduler: Any) -> None:
    """Stop to listen."""
    watch = scheduler.plugins.get(Watch.name)
    if watch is not None:
        watch.server.stop()
