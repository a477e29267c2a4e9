"""List the traits that Python in the chart's values sets, without running it."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from typing import Any, Final

_CLASSES: Final = ("Spawner", "KubeSpawner")


def assigned(source: Any) -> list[str]:
    """Return the traits of spawners that a piece of Python sets or changes, in their order.

    Raises:
        SyntaxError: The text is not valid Python.

    """
    tree = ast.parse(textwrap.dedent(str(source)))
    return list(dict.fromkeys(_traits(tree)))


def subclasses(source: Any) -> list[str]:
    """Return the classes in a piece of Python that are derived from a spawner.

    Raises:
        SyntaxError: The text is not valid Python.

    """
    tree = ast.parse(textwrap.dedent(str(source)))
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any("Spawner" in ast.unparse(base) for base in node.bases)
    ]


def _traits(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {f"c.{name}" for name in _CLASSES}:
            yield node.attr
