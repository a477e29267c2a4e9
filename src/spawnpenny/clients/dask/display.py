"""A cluster as a notebook shows it."""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import Any, Final

from dask.utils import format_bytes
from distributed.core import Status

from spawnpenny.clients.dask.scaled import ScaledCluster

_SHOWN: Final = 60
"""Characters of a link: a ticket says nothing to its reader."""
_RULE: Final = "overflow-wrap: anywhere; text-align: left; vertical-align: top;"
_MUTED: Final = "color: var(--jp-ui-font-color2, #757575);"
_BAD: Final = "color: var(--jp-error-color1, #d32f2f);"


class DisplayedCluster(ScaledCluster):
    """A cluster that shows how it is."""

    def __repr__(self) -> str:
        if self.end is not None:
            return f"{type(self).__name__}({self.name}, closed: {self.end!r})"
        if self.status != Status.running:
            return f"{type(self).__name__}({self.name}, {self.status.name})"
        shown = str(super().__repr__())
        return f"{shown[:-1]}, trouble={self.trouble!r})" if self.trouble else shown

    def _repr_html_(self, cluster_status: Any = None) -> str:
        rows = [
            ("Status", self._shown_status()),
            ("Workers", self._shown_workers()),
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
            f"{self._shown_scheduler()}</div>"
        )

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
        count, wanted = len(workers), self._count
        threads = sum(worker["nthreads"] for worker in workers)
        memory = format_bytes(sum(worker["memory_limit"] or 0 for worker in workers))
        of = f" of {wanted}" if wanted is not None and wanted != count and self.end is None else ""
        mode = f", {self._shown_bounds()}" if self._adaptive is not None and self._adaptive.periodic_callback else ""
        return f"{count}{of}{mode} ({threads} threads, {memory})" if count else f"{count}{of}{mode}"

    def _shown_bounds(self) -> str:
        least = self._adaptive.minimum or 0 if self._adaptive is not None else 0
        most = self._adaptive.maximum if self._adaptive is not None else None
        return f"adaptive from {least}" + (f" to {most}" if most is not None else "")

    def _shown_dashboard(self) -> str:
        link = self.dashboard_link if self.end is None else ""
        if not link:
            return f'<span style="{_MUTED}">none</span>'
        text = link.partition("://")[2]
        text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return f'<a href="{escape(link)}" target="_blank" rel="noreferrer">{escape(text)}</a>'

    def _shown_scheduler(self) -> str:
        if self.end is not None or not hasattr(self.scheduler_info, "_repr_html_"):
            return ""
        details = self.scheduler_info._repr_html_()
        return (
            '<details style="margin-top: 0.5em;"><summary>Scheduler and workers</summary>'
            f'<div style="max-height: 30em; overflow: auto;">{details}</div></details>'
        )
