r"""Match users' texts with a site's patterns, in a time that grows with the length of the text alone.

Python's own matcher tries all ways to match: for ``(\w+.?)+:`` their number doubles with each letter. RE2 does not; it
has no look-around, no back references, no possessive or atomic parts, and ``\w`` and ``\d`` are ASCII's.
"""

from __future__ import annotations

import re
from typing import Final

_MOST_MEMORY: Final = 1024 * 1024
"""Bytes for one pattern. With fewer than it needs, RE2 is slower, but still linear in the text."""


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that is not a regular expression of both Python and RE2.

    Raises:
        ValueError: It is not. The message continues a sentence that names the pattern.

    """
    try:
        re.compile(pattern)
        re.compile(f"^(?:{pattern})$")  # as JSON Schema has it
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    # Imported only for patterns: neither the broker nor most sites need it.
    import re2  # noqa: PLC0415

    try:
        _compiled(pattern)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "it is too large"
        raise ValueError(
            f"is not one that RE2 takes ({reason}). Write it without look-around (?=…), back references \\1, "
            r"possessive a++ and atomic (?>…) parts, \Z, and repetitions of more than 1000."
        ) from None


def matches(pattern: str, text: str) -> bool:
    """Return whether a checked pattern matches a whole text."""
    try:
        return _compiled(pattern).fullmatch(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def _compiled(pattern: str) -> re.Pattern[str]:
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    compiled: re.Pattern[str] = re2.compile(pattern, options)
    return compiled
