r"""Match users' texts with a site's patterns, in a time that grows with the length of the text alone.

Python's own matcher tries all ways to match: for ``(\w+.?)+:`` their number doubles with each letter. RE2 does not; it
has no look-around, no back references, no possessive or atomic parts, and ``\w`` and ``\d`` are ASCII's.
"""

from __future__ import annotations

import re
from typing import Final

_MOST_MEMORY: Final = 1024 * 1024
"""Bytes for one pattern; where they do not do, RE2 is slower, and still in proportion to the text."""


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that cannot be used: it has to be a regular expression of Python's and of RE2's.

    Raises:
        ValueError: It is not; the message goes on from what the pattern is called.

    """
    try:
        re.compile(pattern)
        re.compile(f"^(?:{pattern})$")  # as JSON Schema has it
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    # It is loaded where there are patterns alone: neither the broker nor most sites need it.
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
    """Return whether a pattern that was checked matches a whole text."""
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
