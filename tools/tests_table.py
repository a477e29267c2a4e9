"""Count tests and assertions by folder.

``python tools/tests_table.py [ROOT …]`` prints two columns for each checkout, such as the one before a change and this
one. A test with several parameters counts once; ``--collected`` adds how many pytest collects.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def files(root: Path) -> Iterator[Path]:
    """Yield the Python files of the tests, those of the plugins included."""
    yield from sorted(root.glob("tests/**/*.py"))
    yield from sorted(root.glob("plugins/*/tests/**/*.py"))


def folder(file: Path) -> str:
    """Return the folder that a file counts for: one below ``tests`` or ``plugins``."""
    first, second, *_ = file.parts
    return first if second.endswith(".py") else f"{first}/{second}"


def is_test(node: ast.AST) -> bool:
    """Return whether a node is a function that pytest collects."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")


def is_assertion(node: ast.AST) -> bool:
    """Return whether a node checks something: an assertion, or a block that has to raise or warn."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"raises", "warns"}
    return isinstance(node, ast.Assert)


def count(root: Path) -> tuple[Counter[str], Counter[str]]:
    """Return the number of tests and of assertions of each folder."""
    tests: Counter[str] = Counter()
    assertions: Counter[str] = Counter()
    for file in files(root):
        place = folder(file.relative_to(root))
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        tests[place] += sum(map(is_test, nodes))
        assertions[place] += sum(map(is_assertion, nodes))
    return tests, assertions


def collected(root: Path) -> str:
    """Return how many tests pytest collects in a checkout."""
    sources = [str(root / "src"), *map(str, root.glob("plugins/*/src"))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
    run = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    return run.stdout.strip().rpartition("\n")[2]


def table(counts: Mapping[Path, tuple[Counter[str], Counter[str]]]) -> Iterator[str]:
    """Yield the lines of a table: a row for each folder, and the sum."""
    yield "| folder | " + " | ".join(f"tests, {root.name} | assertions, {root.name}" for root in counts) + " |"
    yield "|---" * (1 + 2 * len(counts)) + "|"
    for place in sorted({place for tests, _ in counts.values() for place in tests}):
        numbers = [f"{tests[place]} | {assertions[place]}" for tests, assertions in counts.values()]
        yield f"| {place} | " + " | ".join(numbers) + " |"
    sums = [f"{tests.total()} | {assertions.total()}" for tests, assertions in counts.values()]
    yield "| all | " + " | ".join(sums) + " |"


def main(arguments: Sequence[str]) -> None:
    """Print the table of the checkouts."""
    roots = [Path(argument).resolve() for argument in arguments if not argument.startswith("--")]
    roots = roots or [Path(__file__).resolve().parents[1]]
    for line in table({root: count(root) for root in roots}):
        sys.stdout.write(f"{line}\n")
    if "--collected" in arguments:
        for root in roots:
            sys.stdout.write(f"{root.name}: {collected(root)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
