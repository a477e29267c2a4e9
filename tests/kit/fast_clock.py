"""An event loop whose clock runs fast, so that a test of long waits is short."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey


class _Selector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        return super().select(timeout / self._speed if timeout and timeout > 0 else timeout)


class FastClockLoop(asyncio.SelectorEventLoop):
    """A loop on which a second of ``asyncio.sleep`` or of a timeout takes ``1 / speed`` seconds."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        super().__init__(_Selector(speed))

    def time(self) -> float:
        return super().time() * self._speed
