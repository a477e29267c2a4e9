"""A cluster whose number of workers follows its work."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from dataclasses import dataclass
from typing import Any, Self


@dataclass(slots=True, eq=False)
class Adaptivity:
    """What ``adapt`` has asked of the service, which sees to it: it goes on when this process ends.

    It has the members that distributed's widget and JupyterLab's extension look at in an ``Adaptive``. In asynchronous
    code, ``await`` it to know that the service has accepted it.
    """

    minimum: int | None
    maximum: int | None
    periodic_callback: bool = True
    """Whether it is on: distributed shows a cluster with this as adaptive."""
    asking: Awaitable[None] | None = None

    def stop(self) -> None:
        """Show it no longer. ``cluster.adapt(active=False)`` ends it; so does ``cluster.scale``."""
        self.periodic_callback = False

    def __await__(self) -> Generator[Any, Any, Self]:
        if self.asking is not None:
            yield from self.asking.__await__()
        return self
