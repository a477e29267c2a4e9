"""The glossary binds names: each term once, in order, and what it says of the code is so."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
(PAGE,) = ROOT.glob("docs/**/glossary.md")
TEXT = PAGE.read_text(encoding="utf-8")
ENTRIES = re.findall(
    r"^- \*\*([^*]+)\*\*: (.*?)(?=^- |\n\n)",
    TEXT.partition("\n## Terms\n")[2].partition("\n## ")[0] + "\n",
    re.MULTILINE | re.DOTALL,
)


def names_in_code():
    """Yield each name that an entry gives after "In code"."""
    for _, text in ENTRIES:
        _, _, rest = " ".join(text.split()).partition("In code:")
        yield from re.findall(r"`([\w./]+)`", rest.split(". ")[0])


def test_each_term_is_there_once_and_in_order():
    terms = [term for term, _ in ENTRIES]
    assert len(terms) == TEXT.partition("\n## Terms\n")[2].partition("\n## ")[0].count("\n- **")
    assert terms == sorted(set(terms), key=str.lower)


def test_a_word_that_is_replaced_is_not_defined():
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", TEXT.partition("### Names in code")[2], re.MULTILINE)
    replaced = {word.strip("` ") for row in rows if "(" not in row for word in row.split(",")}
    assert replaced >= {"vigil", "desk", "told", "there", "Account"}
    assert [term for term, _ in ENTRIES if term in replaced] == []


def test_the_names_of_the_terms_are_names_in_the_code():
    files = [path for folder in ("src", "plugins") for path in (ROOT / folder).rglob("*.py")]
    code = "\n".join(f"{path.relative_to(ROOT)}\n{path.read_text(encoding='utf-8')}" for path in files)
    names = set(names_in_code())
    assert len(names) > 100
    assert [name for name in sorted(names) if not re.search(rf"(?<![A-Za-z]){re.escape(name)}", code)] == []
