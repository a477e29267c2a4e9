"""Measure the code: sizes, first lines of docstrings, private words in names, import cycles, modules of the broker.

``python tools/house.py [ROOT …]`` prints one column for each checkout, such as the one before a change and this one.
"""

from __future__ import annotations

import ast
import io
import os
import re
import statistics
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PRIVATE = re.compile(
    r"(?:vigil|keeper|turn|turns|slots|people|labtokens|tend|tending|charge|wishes|wish|spared|endings|fleet|world|"
    "desk|board|lines|asking|marks|mark|hand|reach|life|vouched|intake|exchange|guard|chronicle|relay|patient|"
    "trusting|leaf|review|leftovers|housekeeper|farewell|story|remarks|mischief|meddle|mortal|die|bury|quick|"
    "asks|makes|keeps|tell|announce|news|told|there|wanted|each|asked|begun)"
)
"""The words that ``docs/glossary.md`` replaces, as far as a word alone says it: no name of the code has one of them."""
QUESTIONS = re.compile(r"(?:What|Whose|How|Which|Whether|Where|Who)\b")
NEAR_EMPTY = 5
BROKER = """
import sys
sys.argv = ["spawnpenny", "broker", "--help"]
from spawnpenny.cli import main
try:
    main()
except SystemExit:
    pass
print("MODULES", sum(name.split(".")[0].startswith("spawnpenny") for name in sys.modules))
"""


@dataclass(frozen=True, slots=True)
class Module:
    """One file: its dotted name, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module


def modules(root: Path) -> Sequence[Module]:
    """Return the modules of the package and of the plugins, without their tests."""
    found = []
    for source in (root / "src", *sorted(root.glob("plugins/*/src"))):
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found.append(Module(name, text, ast.parse(text)))
    return found


def quantile(values: Sequence[int], share: float) -> int:
    """Return the value that a share of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def functions(module: Module) -> Iterator[int]:
    """Yield the length of each function, in lines."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def names(module: Module) -> Iterator[str]:
    """Yield each name that a module gives: its own, and those of classes, functions, arguments and variables."""
    yield module.name.rpartition(".")[2]
    for node in ast.walk(module.tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def words(name: str) -> Iterable[str]:
    """Return the words of a name in snake case or camel case, in small letters."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def imports(found: Sequence[Module]) -> Mapping[str, set[str]]:
    """Return which module imports which, those for type checking alone left out."""
    known = {module.name for module in found}
    graph: dict[str, set[str]] = {name: set() for name in known}
    for module in found:
        typing_only = {
            id(inner)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                graph[module.name] |= {alias.name for alias in node.names} & known
            if isinstance(node, ast.ImportFrom) and node.module and id(node) not in typing_only:
                targets = {f"{node.module}.{alias.name}" for alias in node.names} & known or {node.module} & known
                graph[module.name] |= targets - {module.name}
    return graph


def cycles(graph: Mapping[str, set[str]]) -> int:
    """Return how many groups of modules import each other (strongly connected components of more than one)."""
    reached = {start: _reachable(graph, start) for start in graph}
    groups = {frozenset({start, *(other for other in reached[start] if start in reached[other])}) for start in graph}
    return sum(1 for group in groups if len(group) > 1)


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    rest = list(graph[start])
    while rest:
        name = rest.pop()
        if name not in seen:
            seen.add(name)
            rest += graph[name]
    return seen


def packages(graph: Mapping[str, set[str]]) -> Mapping[str, set[str]]:
    """Return which package, one below the root, imports which."""
    folded: dict[str, set[str]] = {}
    for name, targets in graph.items():
        package = ".".join(name.split(".")[:2])
        folded.setdefault(package, set()).update(
            other for target in targets if (other := ".".join(target.split(".")[:2])) != package and "." in other
        )
    return {name: {target for target in targets if target in folded} for name, targets in folded.items()}


def comments(module: Module) -> int:
    """Return how many lines have a comment."""
    return sum(token.type == tokenize.COMMENT for token in tokenize.generate_tokens(io.StringIO(module.text).readline))


def loaded_by_broker(root: Path) -> str:
    """Return how many modules of ours ``spawnpenny broker`` loads before it runs."""
    sources = [str(root / "src"), *map(str, root.glob("plugins/*/src"))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
    run = subprocess.run([sys.executable, "-c", BROKER], env=env, capture_output=True, text=True, check=False)  # noqa: S603
    counted = re.search(r"^MODULES (\d+)$", run.stdout, re.MULTILINE)
    return counted[1] if counted else "?"


def measure(root: Path) -> Mapping[str, str]:
    """Return the figures of one checkout."""
    found = modules(root)
    sizes = [length for module in found if (length := len(module.text.splitlines())) > NEAR_EMPTY]
    lengths = [length for module in found for length in functions(module)]
    private = [name for module in found for name in names(module) if any(map(PRIVATE.fullmatch, words(name)))]
    graph = imports(found)
    firsts = [(ast.get_docstring(module.tree) or "").partition("\n")[0] for module in found]
    return {
        "files": str(len(found)),
        "lines": str(sum(len(module.text.splitlines()) for module in found)),
        "lines a file: median, p90, longest": f"{statistics.median(sizes):.0f}, {quantile(sizes, 0.9)}, {max(sizes)}",
        "lines a function: median, p90, longest": (
            f"{statistics.median(lengths):.0f}, {quantile(lengths, 0.9)}, {max(lengths)}"
        ),
        "lines with a comment": str(sum(map(comments, found))),
        "modules whose first line is a question": str(sum(1 for first in firsts if QUESTIONS.match(first))),
        "names with a private word": str(len(private)),
        "import cycles: files, packages": f"{cycles(graph)}, {cycles(packages(graph))}",
        "modules that the broker loads": loaded_by_broker(root),
    }


def main(arguments: Sequence[str]) -> None:
    """Print the figures of each checkout beside each other."""
    roots = [Path(argument) for argument in arguments] or [Path(__file__).parents[1]]
    columns = [measure(root) for root in roots]
    sys.stdout.write("| | " + " | ".join(root.resolve().name for root in roots) + " |\n|---" * (len(roots) > 0))
    sys.stdout.write("|---" * len(roots) + "|\n")
    for row in columns[0]:
        sys.stdout.write(f"| {row} | " + " | ".join(column[row] for column in columns) + " |\n")


if __name__ == "__main__":
    main(sys.argv[1:])
