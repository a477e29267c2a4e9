"""The first line of a docstring is a noun phrase or an imperative, not an indirect question."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("no_collection")

ROOT = Path(__file__).parents[2]
QUESTION = re.compile(r"(?:What|Who|Whom|Whose|How|Which|Whether|Where|When|Why)(?:ever)?\b")
SOURCES = [ROOT / "src", *sorted(ROOT.glob("plugins/*/src"))]


def questions(path):
    """Yield each first line of a module that begins with a question word, with its place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            if QUESTION.match(first):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {first}"


def test_no_first_line_is_a_question():
    modules = [path for source in SOURCES for path in source.rglob("*.py")]
    assert len(modules) > 100
    assert [question for path in modules for question in questions(path)] == []
