"""Replace a caller's secrets in a text before it is stored, logged or shown.

A program may print a secret encoded, wrapped or in part, and the kubelet cuts what it printed. So every reading of a
text is compared with the secrets piece by piece, without regard to case, white space and quoting.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from spawnpenny.spawns.secret_forms import SEPARATOR, encoded_readings, plain_readings, skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spawnpenny.spawns.secret_forms import Reading

SHORTEST: Final = 6
"""Shorter values are words like ``true`` or ``8888``: replacing them would spoil a sentence, and hide nothing."""
PIECE: Final = 8
"""Pieces of a secret of so many bytes are replaced wherever they are: fewer may stay of a secret that was cut."""
PIECE_OF_WORDS: Final = 12
"""The same for a piece that has letters of words only: shorter ones occur in any sentence."""
PIECE_OF_A_PATH: Final = 24
"""The same for words between slashes: ``/usr/local/bin`` is in many an environment, and in many a message."""
PIECE_ENCODED: Final = 5
"""The same for what is written as base64 or numbers, which no sentence is."""
_ENCODED: Final = 4
_REPLACEMENT: Final = "[secret]"
_WORDS: Final = re.compile(r"(?:(?![a-z][A-Z])[A-Za-z.,:=_\-/\s])*")
_ESCAPE: Final = re.compile(r"(?:%[0-9A-Fa-f]{2}|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{3}|[a-z]))$")
_LONGEST_ESCAPE: Final = 6
_TYPES: Final = {PIECE: "Q", _ENCODED: "I"}


class Scrubber:
    """Replaces the secrets of one spawn, and each notable piece of them, in texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secrets)
        values = SEPARATOR.join(sorted(value for value in self.secrets if len(value) >= SHORTEST))
        self._exact = values.encode("utf-8", "surrogatepass")
        self._skeleton = skeleton(values)
        self._short: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for value in self._skeleton.split(SEPARATOR.encode()):
            if SHORTEST <= len(value) < PIECE_OF_A_PATH:
                self._short[value[:SHORTEST]].add(value)

    def __call__(self, text: str) -> str:
        """Return the text with the secrets replaced."""
        if not self._exact or not text:
            return text
        hidden = bytearray(len(text))
        for begin, end in (*self._plain(text), *self._encoded(text)):
            hidden[begin:end] = b"\1" * (end - begin)
        return _replaced(text, hidden)

    def _plain(self, text: str) -> Iterator[tuple[int, int]]:
        readings = list(plain_readings(text))
        for reading, runs in _common(readings, self._skeleton, PIECE):
            for first, last in runs:
                begin, end = reading.span(first, last)
                if last - first + 1 >= _notable(text[begin:end]):
                    yield begin, end
        for reading in readings:
            for first, last in self._short_values(reading.data):
                begin, end = reading.span(first, last)
                if not _WORDS.fullmatch(text, begin, end) or _stands_alone(text, begin, end):
                    yield begin, end

    def _encoded(self, text: str) -> Iterator[tuple[int, int]]:
        for reading, runs in _common(list(encoded_readings(text)), self._exact, _ENCODED):
            for first, last in runs:
                if last - first + 1 >= PIECE_ENCODED:
                    yield reading.span(first, last)

    def _short_values(self, bones: bytes) -> Iterator[tuple[int, int]]:
        """Yield where whole values begin and end that are too short for their pieces to be notable."""
        if self._short:
            for place in range(len(bones) - SHORTEST + 1):
                for value in self._short.get(bones[place : place + SHORTEST], ()):
                    if bones.startswith(value, place):
                        yield place, place + len(value) - 1


def _common(
    readings: Sequence[Reading], secrets: bytes, width: int
) -> Iterator[tuple[Reading, Iterator[tuple[int, int]]]]:
    """Yield what readings have in common with the secrets: runs of pieces of a width, from the first byte to the last.

    So many bytes are compared at once, as one number: a large environment costs milliseconds.
    """
    desired = set[int]().union(*(piece for reading in readings for piece in _pieces(reading.data, width)))
    found = set[int]().union(*(desired.intersection(piece) for piece in _pieces(secrets, width)))
    if found:
        for reading in readings:
            data = reading.data
            pieces = (
                place
                for place in range(len(data) - width + 1)
                if int.from_bytes(data[place : place + width], sys.byteorder) in found
            )
            yield reading, _runs(pieces, width)


def _pieces(data: bytes, width: int) -> Iterator[array[int]]:
    """Yield all pieces of a width as numbers, by where they begin in the first of them."""
    for offset in range(width):
        whole = (len(data) - offset) // width * width
        if whole > 0:
            yield array(_TYPES[width], data[offset : offset + whole])


def _runs(pieces: Iterable[int], width: int) -> Iterator[tuple[int, int]]:
    """Join pieces that overlap, or follow one another; the pieces are where they begin, in order."""
    first = last = None
    for place in pieces:
        if first is None or last is None or place > last + 1:
            if first is not None and last is not None:
                yield first, last
            first = place
        last = place + width - 1
    if first is not None and last is not None:
        yield first, last


def _notable(piece: str) -> int:
    if not _WORDS.fullmatch(piece):
        return PIECE
    return PIECE_OF_A_PATH if "/" in piece else PIECE_OF_WORDS


def _stands_alone(text: str, begin: int, end: int) -> bool:
    """Say whether a word in a text is no part of a longer one."""
    before = text[max(0, begin - _LONGEST_ESCAPE) : begin]
    return not (before[-1:].isalnum() and not _ESCAPE.search(before)) and not text[end : end + 1].isalnum()


def _replaced(text: str, hidden: bytearray) -> str:
    parts, place = [], 0
    for run in re.finditer(rb"\x01+", hidden):
        parts += [text[place : run.start()], _REPLACEMENT]
        place = run.end()
    return "".join((*parts, text[place:]))
