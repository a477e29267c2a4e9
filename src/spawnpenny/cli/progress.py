"""Show the progress of a spawn: as a live table on a terminal, as a line an event elsewhere."""

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


def print_event(console: Console, event: Event, began: float) -> None:
    """Print an event; ``began`` is the time of the first one. Where it is no terminal, it is one line."""
    style = _STYLES.get(event.state or "", "yellow" if event.severity == "warning" else "")
    when, message = f"{event.time - began:8.2f} s", Text(printable(event.message), style=style)
    if not console.is_terminal:
        console.print(Text.assemble(when, "  ", message), soft_wrap=True)
        return
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_row(when, message)
    console.print(row)


def event_json(event: Event) -> str:
    """Return an event as a line of JSON, as the service sent it."""
    return json.dumps({key: value for key, value in asdict(event).items() if value is not None}, ensure_ascii=False)


@dataclass
class Progress:
    """The progress of a spawn, by its events. It renders itself, so that the user sees that it goes on."""

    what: str
    began: float = 0.0
    phase: str = "requested"
    told: str = ""
    steps: dict[str, tuple[str, float, float | None]] = field(default_factory=dict)
    """By name: the state, when it came to it, and the seconds that it took to the end."""
    spinner: Spinner | None = field(default_factory=lambda: Spinner("dots"))
    """None once nothing further happens."""

    def take(self, event: Event) -> None:
        """Take in the next event."""
        self.began = self.began or event.time
        if event.step and event.state:
            state, since, _ = self.steps.get(event.step, (event.state, event.time, None))
            took = event.time - since if state == "running" and event.state != "running" else None
            self.steps[event.step] = (event.state, event.time, took)
        elif event.phase:
            self.phase, self.told = event.phase, "" if event.message == event.phase else event.message
        else:
            self.told = event.message

    def __rich__(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        now = time.time()
        for name, (state, since, took) in self.steps.items():
            seconds = now - since if state == "running" else took
            shown = "" if seconds is None else f"{max(0.0, seconds):.1f} s"
            table.add_row(Text(name), Text(state, style=_STYLES.get(state, "")), shown)
        frame = Table.grid()
        title = Text(f"{self.what}: {self.phase}")
        if self.spinner:
            self.spinner.update(text=title)
        frame.add_row(self.spinner or title)
        frame.add_row(table)
        if self.told:
            frame.add_row(Text(printable(self.told)))
        return frame


async def show(events: AsyncIterator[Event], console: Console, what: str) -> None:
    """Show the events of a spawn as they come, to their end; why it failed is for the caller to say."""
    events = _without_reasons(events)
    if not console.is_terminal:
        await show_lines(events, console)
        return
    progress = Progress(what)
    with Live(progress, console=console, refresh_per_second=8):
        try:
            async for event in events:
                progress.take(event)
        finally:
            progress.spinner = None


async def _without_reasons(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        yield replace(event, message=event.phase) if event.phase and event.code else event


async def show_lines(events: AsyncIterator[Event], console: Console) -> None:
    """Show each event in a line; a reason that comes with two phases is shown once."""
    began: float | None = None
    reason = ""
    async for event in events:
        began = event.time if began is None else began
        again = bool(event.phase and event.code and event.message == reason)
        reason = event.message if event.code else reason
        print_event(console, replace(event, message=str(event.phase)) if again else event, began)


async def print_json(events: AsyncIterator[Event]) -> None:
    """Print each event as a line of JSON, as it comes."""
    async for event in events:
        click.echo(event_json(event))
