"""Show the progress of a spawn: as a live table on a terminal, else as one line for each event."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from typing import Final

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from spawnpenny.cli.printable import printable
from spawnpenny.clients.http import Event

_STYLES: Final = {
    "done": "green",
    "running": "bold",
    "failed": "red",
    "skipped": "dim",
    "cancelled": "dim",
    "reverted": "dim",
}


def print_event(console: Console, event: Event, first_time: float) -> None:
    """Print an event; ``first_time`` is the time of the first event. Outside of a terminal it takes one line."""
    style = _STYLES.get(event.state or "", "yellow" if event.severity == "warning" else "")
    when, message = f"{event.time - first_time:8.2f} s", Text(printable(event.message), style=style)
    if not console.is_terminal:
        console.print(Text.assemble(when, "  ", message), soft_wrap=True)
        return
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_row(when, message)
    console.print(row)


def event_json(event: Event) -> str:
    """Return an event as one line of JSON, as the service sent it."""
    return json.dumps({key: value for key, value in asdict(event).items() if value is not None}, ensure_ascii=False)


@dataclass
class Progress:
    """The progress of a spawn, by its events, which rich renders again and again.

    Attributes:
        title: The name of the spawn, for the first line.
        first_time: The time of the first event.
        phase: The phase of the spawn.
        message: The last message that is not about a step.
        steps: By name: the state, its time, and the seconds that the step took to its end.
        spinner: The animation; None once nothing more happens.

    """

    title: str
    first_time: float = 0.0
    phase: str = "requested"
    message: str = ""
    steps: dict[str, tuple[str, float, float | None]] = field(default_factory=dict)
    spinner: Spinner | None = field(default_factory=lambda: Spinner("dots"))

    def update(self, event: Event) -> None:
        """Update the progress by the next event."""
        self.first_time = self.first_time or event.time
        if event.step and event.state:
            state, since, _ = self.steps.get(event.step, (event.state, event.time, None))
            took = event.time - since if state == "running" and event.state != "running" else None
            self.steps[event.step] = (event.state, event.time, took)
        elif event.phase:
            self.phase, self.message = event.phase, "" if event.message == event.phase else event.message
        else:
            self.message = event.message

    def __rich__(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        now = time.time()
        for name, (state, since, took) in self.steps.items():
            seconds = now - since if state == "running" else took
            shown = "" if seconds is None else f"{max(0.0, seconds):.1f} s"
            table.add_row(Text(name), Text(state, style=_STYLES.get(state, "")), shown)
        frame = Table.grid()
        heading = Text(f"{self.title}: {self.phase}")
        if self.spinner:
            self.spinner.update(text=heading)
        frame.add_row(self.spinner or heading)
        frame.add_row(table)
        if self.message:
            frame.add_row(Text(printable(self.message)))
        return frame


async def show(events: AsyncIterator[Event], console: Console, title: str) -> None:
    """Show the events of a spawn until they end; the caller shows the reason of a failure."""
    events = _without_reasons(events)
    if not console.is_terminal:
        await print_events(events, console)
        return
    progress = Progress(title)
    with Live(progress, console=console, refresh_per_second=8):
        try:
            async for event in events:
                progress.update(event)
        finally:
            progress.spinner = None


async def _without_reasons(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield replace(event, message=event.phase) if event.phase and event.code else event


async def print_events(events: AsyncIterator[Event], console: Console) -> None:
    """Print each event on one line; print a reason that two phases share only once."""
    first_time: float | None = None
    reason = ""
    async for event in events:
        first_time = event.time if first_time is None else first_time
        again = bool(event.phase and event.code and event.message == reason)
        reason = event.message if event.code else reason
        print_event(console, replace(event, message=str(event.phase)) if again else event, first_time)


async def print_json(events: AsyncIterator[Event]) -> None:
    """Print each event as one line of JSON."""
    async for event in events:
        click.echo(event_json(event))
