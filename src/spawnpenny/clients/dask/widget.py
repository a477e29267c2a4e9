"""The widget of a cluster in a notebook: its state, and controls to scale it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from html import escape
from typing import Any, Final, Protocol

from spawnpenny.clients.errors import ClientError

_MOST: Final = 1_000_000


class Shown(Protocol):
    """A cluster that the widget shows and controls."""

    def _repr_html_(self) -> str: ...

    def _scaling_status(self) -> str: ...

    def scale(self, n: int) -> Any: ...

    def adapt(self, minimum: int, maximum: int | None) -> Any: ...


class ClusterWidget:
    """A tab for the state of a cluster, and one to scale it.

    Attributes:
        tab: The ipywidgets object.

    """

    def __init__(self, ipywidgets: Any, cluster: Shown) -> None:
        self._ipywidgets = ipywidgets
        self._cluster = cluster
        self._status = ipywidgets.HTML(layout=ipywidgets.Layout(max_width="100%"))
        self._mode, self._refusal = ipywidgets.HTML(), ipywidgets.HTML()
        rows = ipywidgets.VBox([self._manual(), self._adaptive()])
        children = [self._status, ipywidgets.VBox([self._mode, rows, self._refusal])]
        self.tab = ipywidgets.Tab(children, layout=ipywidgets.Layout(max_width="100%"))
        self.tab.set_title(0, "Status")
        self.tab.set_title(1, "Scaling")
        self.update()

    def update(self) -> None:
        """Show the present state of the cluster."""
        for shown, html in (
            (self._status, self._cluster._repr_html_()),
            (self._mode, self._cluster._scaling_status()),  # noqa: SLF001 - as distributed names it
        ):
            if shown.value != html:  # an unchanged widget keeps opened parts and selected text
                shown.value = html

    def _manual(self) -> Any:
        count = self._number("Workers")
        return self._row(count, button="Scale", do=lambda: self._cluster.scale(count.value))

    def _adaptive(self) -> Any:
        least, most = self._number("Minimum"), self._number("Maximum")
        most.tooltip = "0: as many as fit"
        adapt = lambda: self._cluster.adapt(minimum=least.value, maximum=most.value or None)  # noqa: E731 - as above
        return self._row(least, most, button="Adapt", do=adapt)

    def _number(self, name: str) -> Any:
        layout = self._ipywidgets.Layout(width="170px")
        return self._ipywidgets.BoundedIntText(0, min=0, max=_MOST, description=name, layout=layout)

    def _row(self, *fields: Any, button: str, do: Callable[[], Any]) -> Any:
        pressed = self._ipywidgets.Button(description=button, layout=self._ipywidgets.Layout(width="100px"))
        pressed.on_click(lambda _: self._do(do))
        return self._ipywidgets.HBox([*fields, pressed], layout=self._ipywidgets.Layout(flex_flow="row wrap"))

    def _do(self, do: Callable[[], Any]) -> None:
        self._stop("")
        try:
            result = do()
        except (ClientError, ValueError) as error:
            self._stop(str(error))
        else:
            request = getattr(result, "request", result)
            if isinstance(request, asyncio.Future):  # in an event loop
                request.add_done_callback(self._done)
        self.update()

    def _done(self, request: asyncio.Future[Any]) -> None:
        error = None if request.cancelled() else request.exception()
        if error is not None:
            self._stop(str(error))
        self.update()

    def _stop(self, text: str) -> None:
        color = "var(--jp-error-color1, #d32f2f)"
        self._refusal.value = f'<span style="color: {color};">{escape(text)}</span>' if text else ""


def widget_of(cluster: Shown) -> ClusterWidget | None:
    """Return the widget of a cluster; None without ipywidgets."""
    try:
        ipywidgets = importlib.import_module("ipywidgets")
    except ImportError:
        return None
    return ClusterWidget(ipywidgets, cluster)
