"""The subset of HTML that a description may have."""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser
from typing import Final

_PAIRED: Final = frozenset({"a", "b", "code", "em", "i", "small", "strong"})
_LINKS: Final = ("https://", "http://", "mailto:")


def markup(text: str) -> str:
    """Return HTML of a text in which links, emphasis, code and line breaks count, and nothing else does.

    Nothing of the text is copied: it is written anew of what was understood, so that a tag that a browser would read
    otherwise cannot come through.
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.result()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []

    def result(self) -> str:
        return "".join(self._parts) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_data(self, data: str) -> None:
        self._parts.append(escape(data))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = next((value or "" for name, value in attrs if name == "href"), "")
        if tag == "br":
            self._parts.append("<br>")
        elif tag == "a" and target.startswith(_LINKS):
            self._begin(tag, f' href="{escape(target)}" target="_blank" rel="noopener noreferrer"')
        elif tag in _PAIRED and tag != "a":
            self._begin(tag)
        else:
            self._as_written()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._parts.append("<br>")
        else:
            self._as_written()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._open:
            self._parts.append(escape(f"</{tag}>"))
            return
        while self._open:
            closed = self._open.pop()
            self._parts.append(f"</{closed}>")
            if closed == tag:
                return

    def handle_comment(self, data: str) -> None:
        self._parts.append(escape(f"<!--{data}-->"))

    def handle_decl(self, decl: str) -> None:
        self._parts.append(escape(f"<!{decl}>"))

    def handle_pi(self, data: str) -> None:
        self._parts.append(escape(f"<?{data}>"))

    def unknown_decl(self, data: str) -> None:
        self._parts.append(escape(f"<![{data}]>"))

    def _begin(self, tag: str, attributes: str = "") -> None:
        self._open.append(tag)
        self._parts.append(f"<{tag}{attributes}>")

    def _as_written(self) -> None:
        self._parts.append(escape(self.get_starttag_text() or ""))
