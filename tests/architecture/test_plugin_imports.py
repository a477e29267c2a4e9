"""Plugins, and their tests, import nothing of spawnpenny but what is public."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("no_collection")

ROOT = Path(__file__).parents[2]
PUBLIC = ("spawnpenny.api", "spawnpenny.testing", "spawnpenny.clients")
MEND = (
    "A plugin imports only spawnpenny.api, its tests also spawnpenny.testing and spawnpenny.clients. "
    "Offer what it needs there, and document it."
)


def is_public(module, allowed):
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def imported(node):
    """Return the modules that a statement or call imports; a name that is no text is not known."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        names = [alias.name for alias in node.names]
        return [f"spawnpenny.{name}" for name in names] if node.module == "spawnpenny" else [node.module]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
        "import_module",
        "__import__",
        "importorskip",
    }:
        return [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
    return []


def faults(text, name, allowed):
    """Return each import that is not allowed, with its file and line, at the top of the module or anywhere in it."""
    return [
        f"{name}:{node.lineno}: {module} is not public. {MEND}"
        for node in ast.walk(ast.parse(text))
        for module in imported(node)
        if module.partition(".")[0] == "spawnpenny" and not is_public(module, allowed)
    ]


def test_plugins_import_only_what_is_public():
    found = []
    for file in sorted((ROOT / "plugins").glob("*/*/**/*.py")):
        allowed = PUBLIC if "tests" in file.relative_to(ROOT).parts else PUBLIC[:1]
        found += faults(file.read_text(encoding="utf-8"), file.relative_to(ROOT), allowed)
    assert found == [], "\n".join(["", *found])


@pytest.mark.parametrize(
    "line",
    [
        "import spawnpenny",
        "import spawnpenny.service",
        "import spawnpenny.apis",
        "from spawnpenny import identity",
        "from spawnpenny.replicas.fence import FencedCluster",
        "def late():\n    from spawnpenny.errors import SpawnError",
        "if TYPE_CHECKING:\n    from spawnpenny.settings.model import Settings",
        "importlib.import_module('spawnpenny.service')",
        "pytest.importorskip('spawnpenny.app')",
        "__import__('spawnpenny.web')",
    ],
)
def test_each_way_to_import_something_else_is_found(line):
    (fault,) = faults(line, "plugin.py", PUBLIC)
    assert fault.startswith("plugin.py:")


@pytest.mark.parametrize("line", ["from spawnpenny.api import Step", "from spawnpenny import testing", "import json"])
def test_what_is_public_is_allowed(line):
    assert faults(line, "plugin.py", PUBLIC) == []
