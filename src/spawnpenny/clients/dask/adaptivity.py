"""A cluster whose number of workers follows its work."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(slots=True, eq=False)
class Adaptivity:
    """The bounds of ``adapt``. The service keeps to them, and goes on when this process ends.

    It has the members that distributed's widget and JupyterLab's extension look at in an ``Adaptive``. In asynchronous
    code, ``await`` it to know that the service has accepted it.
    """

    minimum: int | None
    maximum: int | None
    periodic_callback: bool = field(default=True, repr=False)
    """Whether it is on: distributed shows a cluster with this as adaptive."""
    request: Awaitable[Any] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """Show it no longer. ``cluster.adapt(active=False)`` ends it; so does ``cluster.scale``."""
        self.periodic_callback = False

    def __await__(self) -> Generator[Any, Any, Self]:
        if self.request is not None:
            yield from self.request.__await__()
        return self
