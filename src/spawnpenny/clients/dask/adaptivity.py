"""Adaptive scaling: the number of workers follows the work of the cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(slots=True, eq=False)
class Adaptivity:
    """The bounds of ``adapt``. The service keeps them, also after this process has ended.

    It has the members of an ``Adaptive`` that distributed's widget and JupyterLab's extension use. In asynchronous
    code, ``await`` it to know that the service has accepted it.
    """

    minimum: int | None
    maximum: int | None
    periodic_callback: bool = field(default=True, repr=False)
    """True if it is active: distributed then shows the cluster as adaptive."""
    request: Awaitable[Any] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """Stop showing it. ``cluster.adapt(active=False)`` or ``cluster.scale`` ends adaptive scaling."""
        self.periodic_callback = False

    def __await__(self) -> Generator[Any, Any, Self]:
        if self.request is not None:
            yield from self.request.__await__()
        return self
