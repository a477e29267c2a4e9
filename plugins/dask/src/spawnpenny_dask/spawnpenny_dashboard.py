"""Add the dashboard to a scheduler that answers already: a preload of distributed's scheduler.

To import Bokeh takes as long as all else of a scheduler's start together. So the scheduler starts without a dashboard,
and this adds it when somebody asks for a page, or a few seconds later. Requests meanwhile wait. It runs inside the
image of a user: Python 3.9 and distributed 2024.1 are enough for it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from importlib import import_module
from typing import Any

from distributed.http import get_handlers
from tornado.web import Application, HTTPError, RequestHandler

PAUSE = 3.0
"""Seconds in which the scheduler has its first client and workers before the dashboard is made."""
PATIENCE = 60.0
LIST = "/individual-plots.json"
"""A page of the scheduler's own that lists those of the dashboard: JupyterLab's extension looks there first."""

logger = logging.getLogger("distributed.spawnpenny")
tasks: set[asyncio.Task[None]] = set()
"""What runs in the background: the event loop alone would not keep it."""


class Dashboard:
    """The dashboard of one scheduler; ``waiting`` answers for it until it is there."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.wanted = asyncio.Event()
        self.made = asyncio.Event()
        self.waiting = Application([(r"/.*", Waiting, {"dashboard": self})])

    def stand_in(self) -> None:
        """Answer for the dashboard until it is made."""
        http = self.scheduler.http_application
        find = http.find_handler

        def find_or_wait(request: Any, **more: Any) -> Any:
            return (self.waiting.find_handler if request.path == LIST else find)(request, **more)

        http.add_application(self.waiting)
        http.find_handler = find_or_wait

    async def make(self) -> None:
        """Make it, once it is wanted or some seconds have passed."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.wanted.wait(), PAUSE)
        http = self.scheduler.http_application
        try:
            loop = asyncio.get_running_loop()
            module = await loop.run_in_executor(None, import_module, "distributed.dashboard.scheduler")
            module.connect(http, self.scheduler.http_server, self.scheduler, prefix="/")
        except ImportError:  # the image has no Bokeh: distributed has a page that says so
            missing = ["distributed.http.scheduler.missing_bokeh"]
            http.add_handlers(r".*", get_handlers(server=self.scheduler, modules=missing, prefix="/"))
        except Exception:
            logger.exception("spawnpenny: the dashboard cannot be made")
        finally:
            http.applications.remove(self.waiting)
            del http.find_handler
            self.made.set()


class Waiting(RequestHandler):
    """Hold a request until the dashboard is made, and have it answer."""

    dashboard: Dashboard

    def initialize(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    async def get(self) -> None:
        self.dashboard.wanted.set()
        try:
            await asyncio.wait_for(self.dashboard.made.wait(), PATIENCE)
        except asyncio.TimeoutError:  # noqa: UP041 - another class before Python 3.11
            raise HTTPError(503) from None
        self._auto_finish = False  # the other handler answers this request, in a task of its own
        self.dashboard.scheduler.http_application.find_handler(self.request).execute()

    def post(self) -> None:
        raise HTTPError(404)

    head = get
    put = patch = delete = post


def correct_links() -> None:
    """Make the links of distributed's pages below ``/info`` right where a path stands before the dashboard's.

    They stand two folders deep, and their links lead three up: beyond the root, which browsers forgive.
    """
    with suppress(ImportError, AttributeError, TypeError):  # another version may do it otherwise
        import_module("distributed.http.scheduler.info").rel_path_statics["rel_path_statics"] = "../.."


def dask_setup(scheduler: Any) -> None:
    """Start to make the dashboard; distributed calls this when the scheduler listens."""
    correct_links()
    dashboard = Dashboard(scheduler)
    dashboard.stand_in()
    task = asyncio.ensure_future(dashboard.make())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
