"""Decode a text in every way that may hide a secret: quotes, escapes and encodings.

A program may print a secret in many forms. So a text is decoded in every usual way, and each reading knows where in the
text its bytes are. That costs by the length of the text, which is short, not by the size of an environment.
"""

from __future__ import annotations

import binascii
import html
import re
import sys
from dataclasses import dataclass
from itertools import compress
from math import gcd
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SEPARATOR: Final = "\0"
"""What stands between values; no variable of an environment has it."""
_CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>c])"
    r"|[\x01-\x08\x0e-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
"""What a terminal or a page does not show: colours, links, marks of direction, spaces of no width."""
_QUOTING: Final = "\"'`\\|>+ \t\n\v\f\r"
"""What quoting, escaping, wrapping and queries put in."""
_DROPPED: Final = dict.fromkeys([*map(ord, _QUOTING), *range(0x2500, 0x25A0)])
_LOWER: Final = bytes(range(256)).lower()
_KEPT: Final = bytes(chr(byte) not in f"{_QUOTING}{SEPARATOR}" for byte in range(256))
_QUOTING_BYTES: Final = _QUOTING.encode() + SEPARATOR.encode()
_BITS: Final = 8
_MOST_OF_A_BYTE: Final = 0xFF
_UNDECODED: Final = range(0xDC80, 0xDD00)
_ROUNDS: Final = 3
"""How often escapes are undone: JSON in JSON in a URL."""
_ESCAPES: Final = re.compile(
    r"(?P<bytes>(?:[%=][0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|\\[0-3][0-7]{2})+)"
    r"|(?P<utf16>(?:\\u[0-9A-Fa-f]{4})+)"
    r"|\\U(?P<long>000[0-9A-Fa-f]{5})|\\u\{(?P<braces>[0-9A-Fa-f]{1,5})\}"
    r"|(?P<entity>&(?:#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5}|amp|lt|gt|quot|apos);)"
    r"|(?P<space>\\[nrtfvbae])"
)
_BYTE: Final = re.compile(r"[%=]([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|\\([0-3][0-7]{2})")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]")
_BASE32: Final = re.compile(r"[A-Za-z2-7]")
_HEX: Final = re.compile(r"0[xX](?=[0-9A-Fa-f])|(?P<digit>[0-9A-Fa-f])")
_DECIMAL: Final = re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,3}(?![0-9A-Za-z.])")
_AS_INTEGER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
Chars: TypeAlias = list[tuple[str, int, int]]
"""Characters, and from where to where in the text each is written."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes that a text may mean, and how to find a piece of them in the text."""

    data: bytes
    span: Callable[[int, int], tuple[int, int]]


def skeleton(text: str) -> bytes:
    """Return a text in lower case, without what quoting, escaping and wrapping put in."""
    return _CONTROL.sub("", text).casefold().translate(_DROPPED).encode("utf-8", "surrogatepass")


def plain_readings(text: str) -> Iterator[Reading]:
    """Yield skeletons of the text: as it is, and with its escapes undone where it has any."""
    shown = _CONTROL.sub(lambda found: " " * len(found[0]), text)
    yield _skeleton_of(shown)
    if _ESCAPES.search(shown):
        yield _unescaped(shown, "utf-8")
        if re.search(r"\\x[89A-Fa-f]|\\[23][0-7]", shown):
            yield _unescaped(shown, "latin-1")


def encoded_readings(text: str) -> Iterator[Reading]:
    """Yield the text read as base64, base32, and numbers of bytes, wherever in a byte they begin."""
    shown = _CONTROL.sub(lambda found: " " * len(found[0]), text)
    digits, places = _digits(_BASE64, shown)
    if digits:
        padded = digits.replace("-", "+").replace("_", "/") + "A" * (-len(digits) % 4)
        number = int.from_bytes(binascii.a2b_base64(padded)) >> 6 * (-len(digits) % 4)
        yield from _shifted(number, 6, places)
    digits, places = _digits(_BASE32, shown)
    if digits:
        yield from _shifted(int(digits.lower().translate(_AS_INTEGER), 32), 5, places)
    places = [found.start() for found in _HEX.finditer(shown) if found["digit"]]
    if places:
        yield from _shifted(int("".join(shown[place] for place in places), 16), 4, places)
    numbers = [(int(found[0]), *found.span()) for found in _DECIMAL.finditer(shown) if int(found[0]) <= _MOST_OF_A_BYTE]
    if numbers:
        yield Reading(
            bytes(value for value, _, _ in numbers), lambda first, last: (numbers[first][1], numbers[last][2])
        )


def _digits(alphabet: re.Pattern[str], text: str) -> tuple[str, Sequence[int]]:
    """Return what of a text is of an alphabet, and where: wrapping and quoting may stand between."""
    places = [found.start() for found in alphabet.finditer(text)]
    return "".join(map(text.__getitem__, places)), places


def _shifted(number: int, width: int, places: Sequence[int]) -> Iterator[Reading]:
    """Yield the bytes of a number whose digits have a width in bits, for each bit at which a byte may end."""
    bits = width * len(places)
    for shift in range(0, _BITS, gcd(width, _BITS)):
        if bits - shift < _BITS:
            return
        size = (bits - shift + 7) // 8
        lead = size * 8 - (bits - shift)

        def span(first: int, last: int, lead: int = lead) -> tuple[int, int]:
            start, stop = max(0, first * 8 - lead), min(bits - 1, last * 8 + 7 - lead)
            begin, end = start // width, stop // width
            if start % width and places[begin + 1] - places[begin] > 1:
                begin += 1
            if (stop + 1) % width and places[end] - places[end - 1] > 1:
                end -= 1
            return places[begin], places[end] + 1

        yield Reading((number >> shift).to_bytes(size), span)


def _skeleton_of(text: str) -> Reading:
    if text.isascii():
        data = text.encode()
        places = list(compress(range(len(data)), map(_KEPT.__getitem__, data)))
        return Reading(data.translate(_LOWER, _QUOTING_BYTES), lambda first, last: (places[first], places[last] + 1))
    return _of_chars([(character, place, place + 1) for place, character in enumerate(text)])


def _of_chars(chars: Chars) -> Reading:
    bones, spans = bytearray(), list[tuple[int, int]]()
    for character, begin, end in chars:
        if character != SEPARATOR and (kept := skeleton(character)):
            bones += kept
            spans += [(begin, end)] * len(kept)
    return Reading(bytes(bones), lambda first, last: (spans[first][0], spans[last][1]))


def _unescaped(text: str, encoding: str) -> Reading:
    chars: Chars = [(character, place, place + 1) for place, character in enumerate(text)]
    for _ in range(_ROUNDS):
        text = "".join(character for character, _, _ in chars)
        undone, place = Chars(), 0
        for found in _ESCAPES.finditer(text):
            undone += chars[place : found.start()]
            undone += _undone(found, chars, encoding)
            place = found.end()
        if place == 0:
            break
        chars = undone + chars[place:]
    return _of_chars(chars)


def _undone(found: re.Match[str], chars: Chars, encoding: str) -> Chars:
    """Return the characters that an escape stands for, each where its own part of the escape is."""
    begin, end = found.span()
    match found.lastgroup:
        case "bytes":
            return _of_bytes(found, chars, encoding)
        case "utf16":
            units = found[0].encode().replace(b"\\u", b"")
            text, width = binascii.unhexlify(units).decode("utf-16-be", "surrogatepass"), 6
            parts = Chars()
            for character in text:
                size = width * (len(character.encode("utf-16-be", "surrogatepass")) // 2)
                parts.append((character, chars[begin][1], chars[begin + size - 1][2]))
                begin += size
            return parts
        case "entity":
            text = html.unescape(found[0])
        case "space":
            text = " "
        case _:
            number = int(found["long"] or found["braces"], 16)
            text = chr(number) if number <= sys.maxunicode else ""
    return [(text[:1], chars[begin][1], chars[end - 1][2])]


def _of_bytes(found: re.Match[str], chars: Chars, encoding: str) -> Chars:
    data, spans = bytearray(), list[tuple[int, int]]()
    for byte in _BYTE.finditer(found[0]):
        data.append(int(byte[3], 8) if byte[3] else int(byte[1] or byte[2], 16))
        begin, end = (found.start() + place for place in byte.span())
        spans.append((chars[begin][1], chars[end - 1][2]))
    parts, place = Chars(), 0
    for character in data.decode(encoding, "surrogateescape"):
        size = len(character.encode(encoding, "surrogateescape"))
        code = ord(character)
        known = chr(code & _MOST_OF_A_BYTE) if code in _UNDECODED else character
        parts.append((known, spans[place][0], spans[place + size - 1][1]))
        place += size
    return parts
