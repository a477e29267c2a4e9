"""Pages that read well on a code host, too: Sphinx' own markup is added when the pages are read.

A page ``index.md`` gets a table of contents of the pages in its lists of links, or of its whole folder where it has
none. A page ``reference/plugin-NAME.md`` gets the text of that plugin's README.
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


def readme(plugin: str) -> str:
    """Return the README of a plugin, with links that are right in ``reference/``."""
    folder = DOCS.parent / "plugins" / plugin

    def moved(link: re.Match[str]) -> str:
        return f"]({os.path.relpath(folder / link[1], DOCS / 'reference')})"

    return LINK.sub(moved, (folder / "README.md").read_text(encoding="utf-8"))


def complete(app: Sphinx, name: str, source: list[str]) -> None:
    """Complete the source of a page."""
    if name.rpartition("/")[2] == "index":
        source[0] += contents(source[0])
    elif plugin := PLUGIN.fullmatch(name):
        app.env.note_dependency(str(DOCS.parent / "plugins" / plugin[1] / "README.md"))
        source[0] = readme(plugin[1])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", complete)
    return {"parallel_read_safe": True}
