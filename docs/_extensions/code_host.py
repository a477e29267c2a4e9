"""Pages that read well on a code host, too: Sphinx' own markup is added when the pages are read.

A page ``index.md`` gets a table of contents of the pages in its lists of links, or of its whole folder where it has
none. A page ``reference/plugin-NAME.md`` gets the text of that plugin's README, ``contributing.md``
that of CONTRIBUTING.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ENTRY = re.compile(r"^- \[[^\]]+\]\(([\w./-]+)\.md\)", re.MULTILINE)
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")
PLUGIN = re.compile(r"reference/plugin-(?!api$)([a-z]+)")


def contents(text: str) -> str:
    """Return the table of contents of an index page, which shows in the navigation alone."""
    entries = ENTRY.findall(text)
    lines = [":hidden:", "", *entries] if entries else [":maxdepth: 1", ":glob:", "", "*"]
    return "\n".join(["", "```{toctree}", *lines, "```", ""])


def included(page: str) -> Path | None:
    """Return the file outside of the pages whose text a page has."""
    if page == "contributing":
        return DOCS.parent / "CONTRIBUTING.md"
    plugin = PLUGIN.fullmatch(page)
    return DOCS.parent / "plugins" / plugin[1] / "README.md" if plugin else None


def text_of(file: Path, page: str) -> str:
    """Return the text of a file, with links that are right in a page."""

    def moved(link: re.Match[str]) -> str:
        path, mark, anchor = link[1].partition("#")
        return f"]({os.path.relpath(file.parent / path, (DOCS / page).parent)}{mark}{anchor})"

    return LINK.sub(moved, file.read_text(encoding="utf-8"))


def complete(app: Sphinx, name: str, source: list[str]) -> None:
    """Complete the source of a page."""
    if name.rpartition("/")[2] == "index":
        source[0] += contents(source[0])
    elif file := included(name):
        app.env.note_dependency(str(file))
        source[0] = text_of(file, name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", complete)
    return {"parallel_read_safe": True}
