"""The display of a cluster in a notebook."""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import Any, Final

import dask.config
from dask.utils import format_bytes, parse_timedelta
from distributed.core import Status
from tornado.ioloop import PeriodicCallback

from spawnpenny.clients.dask.groups import GroupedCluster
from spawnpenny.clients.dask.watch import End
from spawnpenny.clients.dask.widget import ClusterWidget, widget_of

_LISTED: Final = 200
_SHOWN: Final = 60
"""The most shown characters of a link, as nobody reads a ticket."""
_RULE: Final = "overflow-wrap: anywhere; text-align: left; vertical-align: top;"
_MUTED: Final = "color: var(--jp-ui-font-color2, #757575);"
_BAD: Final = "color: var(--jp-error-color1, #d32f2f);"


class DisplayedCluster(GroupedCluster):
    """A cluster that shows its state in notebooks."""

    _shown: ClusterWidget | None = None

    def __repr__(self) -> str:
        if self.end is not None:
            return f"{type(self).__name__}({self.name}, closed: {self.end!r})"
        if self.status != Status.running:
            return f"{type(self).__name__}({self.name}, {self.status.name})"
        shown = str(super().__repr__())
        return f"{shown[:-1]}, trouble={self.trouble!r})" if self.trouble else shown

    def _repr_html_(self, cluster_status: Any = None) -> str:
        rows = [("Status", self._shown_status())]
        alive = self.end is None and self.status not in (Status.closing, Status.closed)
        if alive:
            rows += [
                ("Workers", self._shown_workers()),
                ("Scaling", self._shown_scaling()),
                ("Dashboard", self._shown_dashboard()),
            ]
        cells = "".join(
            f'<tr><td style="{_RULE} white-space: nowrap; width: 7em;"><strong>{name}:</strong></td>'
            f'<td style="{_RULE}">{html}</td></tr>'
            for name, html in rows
        )
        return (
            '<div class="jp-RenderedHTMLCommon jp-RenderedHTML jp-mod-trusted" style="max-width: 100%;">'
            f'<h3 style="margin: 0;">{type(self).__name__}</h3>'
            f'<p style="{_RULE} {_MUTED} margin: 0 0 0.5em 0;">{escape(self.name)}</p>'
            f'<table style="width: 100%; table-layout: fixed; margin: 0;">{cells}{cluster_status or ""}</table>'
            f"{self._shown_list() if alive else ''}</div>"
        )

    def _scaling_status(self) -> str:
        return f"<p>Scaling mode: {self._shown_scaling()}<br>Workers: {self._shown_workers()}</p>"

    def _shown_scaling(self) -> str:
        bounds = self._adaptive
        if bounds is None or not bounds.periodic_callback:
            return "Manual"
        most = f" to {bounds.maximum}" if bounds.maximum is not None else ""
        return f"Adaptive, from {bounds.minimum or 0}{most}"

    def _widget(self) -> Any:
        """Return the widget for a notebook; None without ipywidgets."""
        if self._shown is None:
            self._shown = widget_of(self)
            if self._shown is not None:
                self.loop.add_callback(self._keep_shown)
        return None if self._shown is None else self._shown.tab

    def _keep_shown(self) -> None:
        if self._shown is None or self.status in (Status.closing, Status.closed):
            return
        interval = parse_timedelta(dask.config.get("distributed.deploy.cluster-repr-interval", default="ms"))
        callback = PeriodicCallback(self._shown.update, interval * 1000)
        self.periodic_callbacks["cluster-repr"] = callback
        callback.start()

    async def _close(self) -> None:
        await super()._close()
        self._show_end()

    async def _ended(self, end: End) -> None:
        await super()._ended(end)
        self._show_end()

    def _show_end(self) -> None:
        if self._shown is not None:
            self._shown.update()

    def _shown_status(self) -> str:
        if self.end is not None:
            return f'<span style="{_BAD}">{escape(self.end)}</span>'
        shown = escape(self.status.name)
        event = self._watch.trouble if self._watch is not None else None
        if event is None or self.status != Status.running:
            return shown
        when = dt.datetime.fromtimestamp(event.time).strftime("%H:%M:%S")  # noqa: DTZ006 - the reader's own time
        return f'{shown}<br><span style="{_BAD}">{when} {escape(event.message)}</span>'

    def _shown_workers(self) -> str:
        workers = self.scheduler_info["workers"].values()
        count, desired = len(workers), self._desired
        threads = sum(worker["nthreads"] for worker in workers)
        memory = format_bytes(sum(worker["memory_limit"] or 0 for worker in workers))
        of = f" of {desired}" if desired is not None and desired != count else ""
        return (
            f"{count}{of} ({threads} {'thread' if threads == 1 else 'threads'}, {memory})" if count else f"{count}{of}"
        )

    def _shown_dashboard(self) -> str:
        link = self.dashboard_link
        if not link:
            return f'<span style="{_MUTED}">none</span>'
        text = link.partition("://")[2]
        text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return f'<a href="{escape(link)}" target="_blank" rel="noreferrer">{escape(text)}</a>'

    def _shown_list(self) -> str:
        """Return the folded list of workers."""
        workers = list(self.workers.items())
        if not workers:
            return ""
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{worker['nthreads']}</td>"
            f"<td>{format_bytes(worker['memory_limit'] or 0)}</td></tr>"
            for name, worker in workers[:_LISTED]
        )
        more = f"<p>{len(workers) - _LISTED} more</p>" if len(workers) > _LISTED else ""
        return (
            '<details style="margin-top: 0.5em;"><summary>Each worker</summary>'
            '<div style="max-height: 24em; overflow: auto;"><table>'
            "<tr><th>Name</th><th>Threads</th><th>Memory</th></tr>"
            f"{rows}</table>{more}</div></details>"
        )
