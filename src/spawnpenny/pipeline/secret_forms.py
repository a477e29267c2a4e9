"""The forms in which a program may print a secret: encoded, escaped or quoted."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

SEPARATOR: Final = "\0"
"""What stands between values; no variable of an environment has it."""
_URL_SAFE: Final = ("", "/", "!'()*", "$&+,;=", ":/?#[]@!$&'()*+,;=")
"""What encoders of URLs leave as it is: whole components, paths, JavaScript's, those of user names, and whole URLs."""
_SKELETON: Final = str.maketrans("-_", "+/", "\"'`\\|>")
_BOX_DRAWING: Final = dict.fromkeys(range(0x2500, 0x25A0))
_DROPPED: Final = _SKELETON | _BOX_DRAWING


def skeleton(text: str) -> str:
    """Return a text in lower case, with one alphabet of base64, without what quoting, escaping and wrapping put in."""
    return "".join(text.split()).casefold().translate(_DROPPED)


def forms(values: Iterable[str], text: str) -> set[str]:
    """Return skeletons of the values in every form that the text may have, each of all values at once.

    A form that differs from the plain one by its escapes only is left out where the text has no such escape.
    """
    plain = SEPARATOR.join(sorted(values))
    found = {plain, *_encoded(plain)}
    if "%" in text or "+" in text:
        found.update(_in_urls(plain))
    if "&" in text:
        found.update(_in_html(plain))
    if "\\" in text:
        found.update(_escaped(plain))
    return {skeleton(form) for form in found}


def _encoded(plain: str) -> Iterator[str]:
    """Encode as base64, wherever in what was encoded a value begins, and as hexadecimal digits."""
    data = plain.encode("utf-8", "surrogatepass")
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + data).decode()
    yield data.hex()


def _in_urls(plain: str) -> Iterator[str]:
    once = quote(plain.encode("utf-8", "surrogatepass"), safe="")
    yield once.replace("%", "%25").replace("%2500", SEPARATOR)
    once = once.replace("%00", SEPARATOR)
    for safe in _URL_SAFE:
        form = once
        for character in safe:
            form = form.replace(f"%{ord(character):02X}", character)
        yield form
        yield form.replace("%20", "+")


def _in_html(plain: str) -> Iterator[str]:
    escaped = html.escape(plain)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield html.escape(plain, quote=False)
    yield escaped.encode("ascii", "xmlcharrefreplace").decode()


def _escaped(plain: str) -> Iterator[str]:
    """Escape as JSON, Python, Go and shells do."""
    data = plain.encode("utf-8", "surrogatepass")
    for text in (json.dumps(plain), json.dumps(plain, ensure_ascii=False)):
        yield text.replace("\\u0000", SEPARATOR)
        yield _as_go(text).replace("\\u0000", SEPARATOR)
    for text in (repr(plain), ascii(plain), repr(data)):
        yield text.replace("\\x00", SEPARATOR)
    yield "".join(chr(byte) if byte < 0x80 else f"\\{byte:03o}" for byte in data)  # noqa: PLR2004 - ASCII


def _as_go(text: str) -> str:
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
