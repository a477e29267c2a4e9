"""The process behind a ``Notebook``: it executes cells, and answers each with a line of JSON.

It is run by its path, in any environment, and imports nothing of ours. What cells print goes to standard error.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
import warnings
from typing import Any


def main() -> None:
    """Run cells until there are no more."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        names: dict[str, Any] = {"__name__": "__main__"}
        # A dask_gateway.Gateway that is collected in the thread of its own event loop waits for itself: see
        # docs/how-to/dask.md. Here garbage is collected between cells, in this thread.
        gc.disable()
        for line in sys.stdin:
            answers.write(json.dumps(_answer(json.loads(line), names), default=repr) + "\n")
            answers.flush()
            gc.collect()


def _answer(cell: str, names: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer: dict[str, Any] = {"value": _execute(cell, names)}
        except Exception as error:  # noqa: BLE001 - the cell's own, sent to the sender of the cell
            answer = {"error": type(error).__name__, "message": str(error)}
    return {**answer, "warnings": [f"{warning.category.__name__}: {warning.message}" for warning in caught]}


def _execute(cell: str, names: dict[str, Any]) -> Any:
    """Run the cell, and return the value of its last line where that is an expression."""
    tree = ast.parse(cell)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102 - that is what it is for
        return None
    tree.body.pop()
    exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102 - likewise
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # noqa: S307 - likewise


if __name__ == "__main__":
    main()
