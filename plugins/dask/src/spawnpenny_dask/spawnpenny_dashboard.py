"""Add the dashboard to a running scheduler: a preload of distributed's scheduler.

The import of Bokeh takes as long as the rest of a scheduler's start. So the scheduler starts without a dashboard, and
this adds it at the first request for a page, or after a few seconds. Requests wait meanwhile. It runs in the image of a
user, with Python 3.9 and distributed 2024.1 or newer.
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
"""Seconds for the scheduler's first client and workers, before it makes the dashboard."""
PATIENCE = 60.0
LIST = "/individual-plots.json"
"""The scheduler's own list of the dashboard's pages, which JupyterLab's extension requests first."""

logger = logging.getLogger("distributed.spawnpenny")
tasks: set[asyncio.Task[None]] = set()
"""References to background tasks: the event loop keeps only weak ones."""


class Dashboard:
    """The dashboard of one scheduler. ``waiting`` holds requests until it is made."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.requested = asyncio.Event()
        self.made = asyncio.Event()
        self.waiting = Application([(r"/.*", Waiting, {"dashboard": self})])

    def stand_in(self) -> None:
        """Hold requests for the dashboard until it is made."""
        http = self.scheduler.http_application
        find = http.find_handler

        def find_or_wait(request: Any, **more: Any) -> Any:
            return (self.waiting.find_handler if request.path == LIST else find)(request, **more)

        http.add_application(self.waiting)
        http.find_handler = find_or_wait

    async def make(self) -> None:
        """Make the dashboard after a request for it, or after some seconds."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.requested.wait(), PAUSE)
        http = self.scheduler.http_application
        try:
            loop = asyncio.get_running_loop()
            module = await loop.run_in_executor(None, import_module, "distributed.dashboard.scheduler")
            module.connect(http, self.scheduler.http_server, self.scheduler, prefix="/")
        except ImportError:  # the image lacks Bokeh, and distributed has a page that explains it
            missing = ["distributed.http.scheduler.missing_bokeh"]
            http.add_handlers(r".*", get_handlers(server=self.scheduler, modules=missing, prefix="/"))
        except Exception:
            logger.exception("spawnpenny: the dashboard cannot be made")
        finally:
            http.applications.remove(self.waiting)
            del http.find_handler
            self.made.set()


class Waiting(RequestHandler):
    """Handler that holds a request until the dashboard is made, and then has the dashboard answer it."""

    dashboard: Dashboard

    def initialize(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    async def get(self) -> None:
        self.dashboard.requested.set()
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
    """Correct the links in distributed's pages below ``/info``, for dashboards below a prefix.

    The pages are two folders deep, but their links lead three folders up. Without a prefix, browsers ignore that.
    """
    with suppress(ImportError, AttributeError, TypeError):  # other versions may differ
        import_module("distributed.http.scheduler.info").rel_path_statics["rel_path_statics"] = "../.."


def dask_setup(scheduler: Any) -> None:
    """Begin to make the dashboard. distributed calls this once the scheduler listens."""
    correct_links()
    dashboard = Dashboard(scheduler)
    dashboard.stand_in()
    task = asyncio.ensure_future(dashboard.make())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
