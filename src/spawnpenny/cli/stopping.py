"""Options and waiting of the commands that stop something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

import click

from spawnpenny.cli.exits import CommandError

_WAIT: Final = 120.0

F = TypeVar("F", bound=Callable[..., Any])


class Stopping(Protocol):
    """The spawn that is being stopped; ``grace`` are the seconds that its pods may take beside."""

    @property
    def grace(self) -> float: ...


T = TypeVar("T", bound=Stopping)


def stop_options(command: F) -> F:
    """Add ``--wait/--no-wait`` and ``--timeout``."""
    wait = click.option("--wait/--no-wait", default=True, help="Return when it is gone.")
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(0),
        default=_WAIT,
        show_default=True,
        metavar="SECONDS",
        help="How long it may take, beside the grace period of its pods.",
    )
    return wait(timeout(command))


async def is_gone(stop: Callable[[float, T | None], Awaitable[T | None]], what: str, *, seconds: float | None) -> bool:
    """Stop something; return whether it is gone.

    Args:
        stop: Asks for it to be stopped within so many seconds; it is given the answer before, if there was one.
        what: What it is, in the message.
        seconds: How long it may take, beside its grace period; None: it is not waited for.

    Raises:
        CommandError: It was not gone in time.

    """
    there = await stop(seconds or 0, None)
    if there is None or seconds is None:
        return there is None
    if there.grace and await stop(there.grace, there) is None:
        return True
    raise CommandError(f"The {what} was not gone after {seconds:g} seconds; it goes on being stopped.")
