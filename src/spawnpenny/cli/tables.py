"""Tables, notes and durations as text for a terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from spawnpenny.cli.printable import printable

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_GAP: Final = "  "
_INDENT: Final = 4 * " "


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines with aligned columns; nothing is cut, so that lines can be searched and copied."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def folded(rows: Sequence[Sequence[str]], *, names: int) -> Iterator[list[str]]:
    """Yield the lines of each row: one line, or several on a narrow terminal, with the first ``names`` cells apart.

    Nothing is cut: the terminal wraps a name that is longer than its width.
    """
    table = list(aligned(rows))
    columns = width()
    if columns is None or max(map(len, table)) <= columns:
        yield from ([line] for line in table)
        return
    for row, rest in zip(rows, aligned([row[names:] for row in rows]), strict=True):
        cells = [printable(cell) for cell in row[:names]]
        together = _GAP.join(cells)
        yield [*([together] if len(together) <= columns else cells), *_wrapped(rest, columns)]


def _wrapped(line: str, columns: int) -> list[str]:
    """Return an indented line, or two if it is wider than the terminal, as with a long name of a node."""
    if len(_INDENT) + len(line) <= columns:
        return [f"{_INDENT}{line}"]
    first, _, last = line.rpartition(_GAP)
    return [f"{_INDENT}{part}" for part in (first.rstrip(), last) if part]


def width() -> int | None:
    """Return the columns of the terminal; None outside of a terminal, where each row is one line."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def note(text: str) -> Iterator[str]:
    """Yield the lines of a note on the row above, wrapped on a terminal."""
    columns = width() or len(text) + len(_INDENT)
    yield from textwrap.wrap(
        printable(text), max(columns, 2 * len(_INDENT)), initial_indent=_INDENT, subsequent_indent=_INDENT
    )


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as 2d3h, 5m10s and 8s."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2]) or "0s"
