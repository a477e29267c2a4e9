"""Text from a service, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text with its control characters written as escapes, such as ``\x1b``.

    Answers of a service may quote the output of a user's program, and a terminal would obey its control characters.
    """
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
