"""Text from elsewhere, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text with its control characters written as escapes, such as ``\x1b``.

    What a service answers may quote what a user's program wrote: a terminal would obey it.
    """
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)
