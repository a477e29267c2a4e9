"""The first line of a module is a noun phrase or an imperative, not an indirect question."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUESTION = re.compile(r"(?:What|Who|Whom|Whose|How|Which|Whether|Where|When|Why)(?:ever)?\b")
SOURCES = [ROOT / "src", *sorted(ROOT.glob("plugins/*/src"))]


def test_no_first_line_of_a_module_is_a_question():
    modules = [path for source in SOURCES for path in source.rglob("*.py")]
    assert len(modules) > 100
    firsts = {
        str(path.relative_to(ROOT)): (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        for path in modules
    }
    assert {path: text.partition("\n")[0] for path, text in firsts.items() if QUESTION.match(text)} == {}
