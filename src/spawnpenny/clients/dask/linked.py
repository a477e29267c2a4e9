"""A cluster with a link to its dashboard."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

import dask
from distributed.core import Status
from distributed.utils import format_dashboard_link

from spawnpenny.clients.dask.address import ServiceAddress
from spawnpenny.clients.dask.display import DisplayedCluster
from spawnpenny.clients.dask.gateway_client import Report
from spawnpenny.clients.errors import ClientError

_SETTING: Final = "distributed.dashboard.link"
_UNSET: Final = "{scheme}://{host}:{port}/status"
"""distributed's default of the setting."""
_PORT: Final = 8787
_FRESH: Final = 60.0
"""Seconds for which a link stays the same, before it gets a new ticket."""
_PROMPT: Final = 3.0
"""Seconds for a new ticket. After that, the old link has to do."""


class LinkedCluster(DisplayedCluster):
    """A cluster whose dashboard has a link: with a ticket, through the lab, or by the configuration."""

    _service: ServiceAddress
    _ticketed: str = ""
    _ticketed_at: float = 0.0
    _host: str | None = None
    _renewing: asyncio.Task[None] | None = None

    @property
    def dashboard_link(self) -> str:
        """A link to the dashboard; empty if there is none.

        If the setting ``distributed.dashboard.link`` is set, it has the link. Otherwise the link has a ticket: only the
        browser that opens it first can open it again. A minute later it has another ticket. If browsers reach no
        dashboards, and the lab has jupyter-server-proxy, the link leads through the lab.
        """
        if self.end is not None:
            return ""
        if dask.config.get(_SETTING, _UNSET) != _UNSET and self._host is not None:
            with suppress(KeyError):  # this process lacks a variable
                return str(format_dashboard_link(self._host, self._dashboard_port))
        if self._ticketed:
            self._renew()
            return self._ticketed
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        if prefix and self._host is not None and find_spec("jupyter_server_proxy") is not None:
            return f"{prefix.rstrip('/')}/proxy/{self._host}:{self._dashboard_port}/status"
        return ""

    def new_dashboard_link(self) -> Any:
        """Return a link to the dashboard with a new ticket, for another browser."""
        return self._do(self._new_dashboard_link)

    @property
    def _dashboard_port(self) -> int:
        return int(self.scheduler_info.get("services", {}).get("dashboard", _PORT))

    async def _new_dashboard_link(self) -> str:
        self._check_alive()
        self._link(await self._gateway.report(self.name))
        return self.dashboard_link

    def _link(self, report: Report) -> None:
        """Set the link from the report of a running cluster, which has a new ticket."""
        public, route = self._service.public, report.dashboard
        self._ticketed = f"{public.rstrip('/')}{route}" if public and route else ""
        self._ticketed_at = time.monotonic()
        host = urlsplit(str(report.facts.get("scheduler") or "")).hostname
        self._host = f"[{host}]" if host and ":" in host else host

    def _renew(self) -> None:
        """Get a new ticket if the last one is too old. In an event loop, only the next caller gets it."""
        if self.status != Status.running or time.monotonic() - self._ticketed_at < _FRESH:
            return
        self._ticketed_at = time.monotonic()  # also after a failure, so that it is not tried again at once
        if not self.asynchronous:
            self.sync(self._try_to_renew, callback_timeout=_PROMPT + 1)
        elif self._renewing is None or self._renewing.done():
            with suppress(RuntimeError):  # no event loop runs here
                self._renewing = asyncio.ensure_future(self._try_to_renew())

    async def _try_to_renew(self) -> None:
        with suppress(ClientError, OSError, TimeoutError):
            async with asyncio.timeout(_PROMPT):
                self._link(await self._gateway.report(self.name))

    async def _close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        await super()._close()
