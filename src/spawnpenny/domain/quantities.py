"""Kubernetes quantities, exactly.

Source: the Quantity format of k8s.io/apimachinery (a signed decimal number and a suffix: ``m``, none, ``k M G T P E``,
``Ki Mi Gi Ti Pi Ei``, or an exponent). Python's Decimal holds them without rounding; what is
finer than ``n`` is rounded up, and more than 2^63 - 1 refused, as there nothing is so large.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from typing import Final

_SUFFIXES: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_FORM: Final = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?", re.ASCII
)
_MAX_LENGTH: Final = 64
_MOST: Final = Decimal(2**63 - 1)


def parse_quantity(text: str | float | Decimal) -> Decimal:
    """Return the value of a quantity such as ``500m``, ``1.5`` or ``2Gi``.

    Raises:
        ValueError: It is not a quantity; the message says what is.

    """
    form = str(text)
    match = _FORM.fullmatch(form) if len(form) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError(f"{form[:_MAX_LENGTH]!r} is not a quantity: write for example 500m, 1.5 or 2Gi")
    number, suffix, exponent = match.groups()
    unit = _SUFFIXES[suffix or ""] if exponent is None else Decimal(10) ** int(exponent)
    value = Decimal(number) * unit
    if abs(value) > _MOST:
        raise ValueError(f"{form!r} is more than a quantity can be, {_MOST}")
    rounded = value.quantize(_SUFFIXES["n"], rounding=ROUND_UP)
    return value if value == rounded else rounded


def format_quantity(value: Decimal) -> str:
    """Write a value the short way, so that ``parse_quantity`` gives back the same value."""
    if value == value.to_integral_value():
        return _format_whole(int(value))
    for suffix in ("m", "u", "n"):
        scaled = value / _SUFFIXES[suffix]
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return format(value.normalize(), "f")


def _format_whole(value: int) -> str:
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIXES[suffix])
        if value and value % unit == 0:
            return f"{value // unit}{suffix}"
    return str(value)
