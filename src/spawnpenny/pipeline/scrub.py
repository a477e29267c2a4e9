"""Replace a caller's secrets in a text before it is stored, logged or shown.

A program may print a secret encoded, wrapped or in part, and the kubelet cuts what it printed. So a text is compared
with the secrets piece by piece, in every form of ``secret_forms``, without regard to case, white space and quoting.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from spawnpenny.pipeline.secret_forms import SEPARATOR, forms, skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST: Final = 6
"""Shorter values are words like ``true`` or ``8888``: replacing them would spoil a sentence, and hide nothing."""
PIECE: Final = 8
"""Pieces of a secret of so many bytes are replaced wherever they are: fewer may stay of a secret that was cut."""
PIECE_OF_WORDS: Final = 12
"""The same for a piece that has letters of words only: shorter ones occur in any sentence."""
PIECE_OF_A_PATH: Final = 24
"""The same for words between slashes: ``/usr/local/bin`` is in many an environment, and in many a message."""
_REPLACEMENT: Final = "[secret]"
_WORDS: Final = re.compile(r"(?:(?![a-z][A-Z])[A-Za-z.,:=_\-/\s])*")
_ESCAPE: Final = re.compile(r"(?:%[0-9A-Fa-f]{2}|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{3}|[a-z]))$")
_CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>c])"
    r"|[\x01-\x08\x0e-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
"""What a terminal or a page does not show: colours, links, marks of direction, spaces of no width."""
_LONGEST_ESCAPE: Final = 6


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Return the text with the secrets, and each notable piece of them, replaced."""
    values = {value for value in secrets if len(value) >= SHORTEST}
    if not values or not text:
        return text
    bones, places = _bones(text)
    blobs = [blob.encode("utf-8", "surrogatepass") for blob in forms(values, text)]
    hidden = bytearray(len(text))
    for first, last in _pieces(bones, blobs):
        begin, end = places[first], places[last] + 1
        if last - first + 1 >= _notable(text[begin:end]):
            hidden[begin:end] = b"\1" * (end - begin)
    for first, last in _short_values(bones, blobs):
        begin, end = places[first], places[last] + 1
        if not _WORDS.fullmatch(text, begin, end) or _stands_alone(text, begin, end):
            hidden[begin:end] = b"\1" * (end - begin)
    return _replaced(text, hidden)


def _bones(text: str) -> tuple[bytes, list[int]]:
    """Return the skeleton of a text as bytes, and which character each byte is of."""
    bones, places = bytearray(), list[int]()
    unseen = {place for run in _CONTROL.finditer(text) for place in range(*run.span())}
    for place, character in enumerate(text):
        if place not in unseen and character != SEPARATOR and (kept := skeleton(character)):
            found = kept.encode("utf-8", "surrogatepass")
            bones += found
            places += [place] * len(found)
    return bytes(bones), places


def _pieces(bones: bytes, blobs: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Return where pieces of secrets begin and end: runs of what they have in common with the text.

    Eight bytes are compared at once, as one number: a large environment costs milliseconds, not seconds.
    """
    seen: defaultdict[int, list[int]] = defaultdict(list)
    for place in range(len(bones) - PIECE + 1):
        seen[int.from_bytes(bones[place : place + PIECE], sys.byteorder)].append(place)
    numbers, found = set(seen), set[int]()
    for blob in blobs:
        for offset in range(PIECE):
            whole = (len(blob) - offset) // PIECE * PIECE
            if whole > 0:
                found |= numbers.intersection(array("Q", blob[offset : offset + whole]))
    return _runs(sorted(place for number in found for place in seen[number]))


def _runs(pieces: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Join pieces that overlap, or follow one another; the pieces are where they begin, in order."""
    first = last = None
    for place in pieces:
        if first is None or last is None or place > last + 1:
            if first is not None and last is not None:
                yield first, last
            first = place
        last = place + PIECE - 1
    if first is not None and last is not None:
        yield first, last


def _short_values(bones: bytes, blobs: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Yield where whole values begin and end that are too short for their pieces to be notable."""
    by_size: defaultdict[int, set[bytes]] = defaultdict(set)
    for blob in blobs:
        for value in blob.split(SEPARATOR.encode()):
            if SHORTEST <= len(value) < PIECE_OF_A_PATH:
                by_size[len(value)].add(value)
    for size, values in by_size.items():
        for place in range(len(bones) - size + 1):
            if bones[place : place + size] in values:
                yield place, place + size - 1


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
