"""Amounts and units of dask-gateway: its K, M, G and T are powers of 1024."""

from __future__ import annotations

import ast
import re
from typing import Any, Final

_AMOUNT: Final = re.compile(r"\s*([0-9.]+)\s*([KMGT])i?B?\s*")
_LETTERS: Final = {"M": "MiB", "G": "GiB", "T": "TiB", "": "B"}
_FACTORS: Final = {
    "memory": {1.0: "B", 2.0**20: "MiB", 2.0**30: "GiB", 2.0**40: "TiB", 1e6: "MB", 1e9: "GB"},
    "timeout": {1.0: "", 60.0: "minutes", 3600.0: "hours", 86400.0: "days"},
    "cores": {1.0: "", 0.001: "millicores"},
}
_SUFFIX: Final = re.compile(r"(?:%[-+0-9.]*[dfgs]|\{\})\s*([KMGT]?)i?B?")


def quantity(amount: Any) -> Any:
    """Return an amount as a Kubernetes quantity."""
    found = _AMOUNT.fullmatch(amount) if isinstance(amount, str) else None
    return f"{found[1]}{found[2]}i" if found else amount


def unit_of(key: str, value: ast.expr) -> str | None:
    """Return the unit of an option in an expression such as ``options.memory * 2**30``; empty for the usual unit.

    Return None if the expression does more than apply a unit.
    """
    factors = _FACTORS.get(key.rpartition("_")[2], {1.0: ""})
    text = _formatted(value)
    if text is not None:
        found = _SUFFIX.fullmatch(text)
        return _LETTERS.get(found[1]) if found and key.endswith("memory") else None
    if isinstance(value, ast.Call) and ast.unparse(value.func) in {"int", "float", "round"} and len(value.args) == 1:
        return unit_of(key, value.args[0])
    if isinstance(value, ast.Attribute):
        return factors.get(1.0)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        for one, other in ((value.left, value.right), (value.right, value.left)):
            factor = _number(other)
            if isinstance(one, ast.Attribute) and factor is not None:
                return factors.get(factor)
    return None


def _formatted(value: ast.expr) -> str | None:
    """Return the pattern of a formatted text with one option in it, such as ``%fG`` or ``{}G``."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod) and isinstance(value.left, ast.Constant):
        return str(value.left.value) if isinstance(value.right, ast.Attribute) else None
    if isinstance(value, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else _inner(part) for part in value.values]
        return "".join(map(str, parts)) if None not in parts else None
    return None


def _inner(part: ast.expr) -> str | None:
    return "{}" if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Attribute) else None


def _number(value: ast.expr) -> float | None:
    """Return the value of a number, or of a product or power of numbers."""
    if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
        return float(value.value)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Pow):
        left, right = _number(value.left), _number(value.right)
        if left is None or right is None:
            return None
        if isinstance(value.op, ast.Mult):
            return left * right
        return left**right if abs(right) < 64 and abs(left) < 10_000 else None  # noqa: PLR2004
    return None
