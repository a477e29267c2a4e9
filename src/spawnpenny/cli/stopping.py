"""Options of the commands that stop something, and the wait until it is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

import click

from spawnpenny.cli.exits import CommandError

_WAIT: Final = 120.0

F = TypeVar("F", bound=Callable[..., Any])


class Stopping(Protocol):
    """A spawn that is being stopped; ``grace`` is the grace period of its pods in seconds."""

    @property
    def grace(self) -> float: ...


T = TypeVar("T", bound=Stopping)


def stop_options(command: F) -> F:
    """Add ``--wait/--no-wait`` and ``--timeout``."""
    wait = click.option("--wait/--no-wait", default=True, help="Wait until it is gone; the default.")
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(0),
        default=_WAIT,
        show_default=True,
        metavar="SECONDS",
        help="Time limit, in addition to the grace period of its pods.",
    )
    return wait(timeout(command))


async def is_gone(stop: Callable[[float, T | None], Awaitable[T | None]], what: str, *, seconds: float | None) -> bool:
    """Stop something; return whether it is gone.

    Args:
        stop: Sends the request and waits some seconds; gets the previous answer, and returns None once it is gone.
        what: The noun for the message.
        seconds: The time limit, in addition to the grace period; None to return at once.

    Raises:
        CommandError: It was not gone in time.

    """
    existing = await stop(seconds or 0, None)
    if existing is None or seconds is None:
        return existing is None
    if existing.grace and await stop(existing.grace, existing) is None:
        return True
    raise CommandError(f"The {what} was not gone after {seconds:g} seconds. The service keeps stopping it.")
