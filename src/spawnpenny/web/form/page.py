"""A form as a part of a page: plain HTML for JupyterHub's spawn page, or for any other form element.

Its fields have KubeSpawner's names: ``profile``, and ``profile-option-<slug>--<option>`` for an option of one profile.
All text is escaped; only descriptions may have the HTML that ``markup`` allows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from importlib.resources import files
from itertools import count
from typing import Any, Final

from spawnpenny.domain.answers import Answer, answer_of
from spawnpenny.domain.availability import CHECKED, Path, Shortage
from spawnpenny.domain.forms import MAX_TEXT, TEXT_SUFFIX, UNLISTED, FormChoice, FormField, FreeText, Number
from spawnpenny.errors import InvalidRequestError

_HIDDEN: Final = "visually-hidden"
_PAIRED: Final = frozenset({"a", "b", "code", "em", "i", "small", "strong"})
_LINKS: Final = ("https://", "http://", "mailto:")


def form_page(
    form: Sequence[FormField], chosen: Mapping[str, Any], short: Mapping[Path, Shortage] | None = None
) -> str:
    """Return the HTML of a form; empty if there is nothing to choose.

    Args:
        form: The fields.
        chosen: The preselected options. The default replaces a choice that no longer exists.
        short: The choices that do not fit the budget, with the shortage. They are shown, but cannot be chosen.

    """
    fields = [field for field in form if field.shown]
    if not fields:
        return ""
    page = _Page(chosen, short or {})
    shown = "".join(page.field(field, field.name, ()) for field in fields)
    style, script = _static("form.css"), _static("form.js")
    return f'<div class="spawnpenny-form"><style>\n{style}</style>{shown}<script>\n{script}</script></div>\n'


def _static(name: str) -> str:
    return files("spawnpenny.web.form").joinpath(f"static/{name}").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Item:
    """One choice on the page; ``shortage`` says why it cannot be chosen."""

    value: str
    label: str
    description: str = ""
    shortage: Shortage | None = None


@dataclass
class _Page:
    """The elements of one page, with unique ids."""

    chosen: Mapping[str, Any]
    short: Mapping[Path, Shortage]
    _ids: Iterator[int] = dataclasses.field(default_factory=lambda: count(1))

    def field(self, field: FormField, name: str, path: Path) -> str:
        """Return a field; ``name`` is its name on the page, ``path`` leads to the choice to which it belongs."""
        answer = self._answer(field, path)
        if field.number is not None:
            return self._number(field, field.number, name, answer)
        if field.checkbox is not None:
            return self._checkbox(field, name, answer, self.short.get((*path, field.name, CHECKED)))
        if field.choices and any(choice.fields or choice.description for choice in field.choices):
            return self._radios(field, name, answer, path)
        if not field.choices and field.free_text is not None:
            written = answer.value if answer else ""
            inner = self._text(field.free_text, name, written, description=field.description)
            return _group(field, f"<fieldset><legend>{escape(field.label)}</legend>{inner}</fieldset>")
        return self._select(field, name, answer, path)

    def _answer(self, field: FormField, path: Path) -> Answer | None:
        """Return the initial choice of the page: the user's own, else the default, else one that fits the budget."""
        for options in (self.chosen, {}):
            try:
                answer = answer_of(field, options)
            except InvalidRequestError:
                continue  # the choice does not exist, or no longer
            chosen = CHECKED if answer.value is True else answer.value
            if answer.written or (*path, field.name, chosen) not in self.short:
                return answer
        if field.checkbox is not None:
            return Answer(value=False)
        free = (choice for choice in field.choices if (*path, field.name, choice.value) not in self.short)
        fitting = next(free, field.default)
        return Answer(fitting.value) if fitting is not None else None

    def _radios(self, field: FormField, name: str, answer: Answer | None, path: Path) -> str:
        choices = "".join(
            self._radio(choice, name, answer, (*path, field.name, choice.value)) for choice in field.choices
        )
        if field.free_text is not None:
            choices += self._other(field.free_text, name, answer)
        message = (
            f'<p class="spawnpenny-description form-text">{markup(field.description)}</p>' if field.description else ""
        )
        return _group(field, f"<fieldset><legend>{escape(field.label)}</legend>{message}{choices}</fieldset>")

    def _radio(self, choice: FormChoice, name: str, answer: Answer | None, path: Path) -> str:
        checked = answer is not None and not answer.written and answer.value == choice.value
        further = "".join(
            self.field(field, f"{name}-option-{choice.value}--{field.name}", path)
            for field in choice.fields
            if field.shown
        )
        if further:
            legend = f'<legend class="{_HIDDEN}">Options of {escape(choice.label)}</legend>'
            further = f'<fieldset class="spawnpenny-further">{legend}{further}</fieldset>'
        item = _Item(choice.value, choice.label, choice.description, self.short.get(path))
        return self._item(item, name, checked=checked, inner=further)

    def _other(self, free: FreeText, name: str, answer: Answer | None) -> str:
        written = answer.value if answer and answer.written else ""
        inner = self._text(free, name, written)
        return self._item(_Item(UNLISTED, free.listed_as), name, checked=bool(written), inner=inner)

    def _item(self, item: _Item, name: str, *, checked: bool, inner: str) -> str:
        own, description, why = self._id(), self._id(), self._id()
        ids = [*([description] if item.description else ()), *([why] if item.shortage else ())]
        about = f' aria-describedby="{" ".join(ids)}"' if ids else ""
        text = (
            f'<p class="spawnpenny-description form-text" id="{description}">{markup(item.description)}</p>'
            if item.description
            else ""
        )
        if item.shortage is not None:
            text += f'<p class="spawnpenny-short" id="{why}">{escape(item.shortage.reason)}</p>'
        state = f"{' checked' if checked else ''}{' disabled' if item.shortage else ''}"
        return (
            f'<div class="spawnpenny-choice form-check{" spawnpenny-unavailable" if item.shortage else ""}">'
            f'<input class="form-check-input" type="radio" name="{escape(name)}" value="{escape(item.value)}" '
            f'id="{own}"{about}{state}> '
            f'<label class="form-check-label" for="{own}">{escape(item.label)}</label>{text}{inner}</div>'
        )

    def _select(self, field: FormField, name: str, answer: Answer | None, path: Path) -> str:
        own, description = self._id(), self._id()
        written = answer.value if answer and answer.written else ""
        items = [
            _Item(choice.value, choice.label, shortage=self.short.get((*path, field.name, choice.value)))
            for choice in field.choices
        ]
        now = UNLISTED if written else answer.value if answer else ""
        text = ""
        if field.free_text is not None:
            items.append(_Item(UNLISTED, field.free_text.listed_as))
            text = self._text(field.free_text, name, written)
        about = f' aria-describedby="{description}"' if field.description else ""
        message = _description(field, description)
        listed = "".join(_option(item, selected=item.value == now) for item in items)
        return _group(
            field,
            f'<label class="form-label" for="{own}">{escape(field.label)}</label> '
            f'<select class="form-select" name="{escape(name)}" id="{own}"{about}>{listed}</select>{message}{text}',
        )

    def _number(self, field: FormField, number: Number, name: str, answer: Answer | None) -> str:
        own, description = self._id(), self._id()
        about = f' aria-describedby="{description}"' if field.description else ""
        unit = f" ({escape(number.unit)})" if number.unit else ""
        step = "any" if number.step is None else number.step
        # The script sets the limits, so that no browser checks a number that does not apply.
        limits = f'data-min="{number.minimum:.15g}" data-max="{number.maximum:.15g}" data-step="{step}" step="any"'
        value = answer.value if answer else number.default
        return _group(
            field,
            f'<label class="form-label" for="{own}">{escape(field.label)}{unit}</label> '
            f'<input class="form-control" type="number" name="{escape(name)}" id="{own}" value="{value:.15g}" {limits}'
            f"{about}>{_description(field, description)}",
        )

    def _checkbox(self, field: FormField, name: str, answer: Answer | None, shortage: Shortage | None) -> str:
        own, description, why = self._id(), self._id(), self._id()
        ids = [*([description] if field.description else ()), *([why] if shortage else ())]
        about = f' aria-describedby="{" ".join(ids)}"' if ids else ""
        state = f"{' checked' if answer and answer.value else ''}{' disabled' if shortage else ''}"
        short = f'<p class="spawnpenny-short" id="{why}">{escape(shortage.reason)}</p>' if shortage else ""
        # A browser sends nothing for a box that is not checked: the hidden field before it says so.
        return _group(
            field,
            f'<div class="form-check{" spawnpenny-unavailable" if shortage else ""}">'
            f'<input type="hidden" name="{escape(name)}" value="false">'
            f'<input class="form-check-input" type="checkbox" name="{escape(name)}" value="{CHECKED}" '
            f'id="{own}"{about}{state}> <label class="form-check-label" for="{own}">{escape(field.label)}</label>'
            f"{_description(field, description)}{short}</div>",
        )

    def _text(self, free: FreeText, name: str, written: str, *, description: str = "") -> str:
        own = self._id()
        pattern = f' data-pattern="{escape(free.pattern)}"' if free.pattern is not None else ""
        title = f' title="{escape(free.message)}"' if free.message else ""
        about = f'<p class="spawnpenny-description form-text">{markup(description)}</p>' if description else ""
        return (
            f'<fieldset class="spawnpenny-text"><legend class="{_HIDDEN}">{escape(free.listed_as)}</legend>'
            f'<label class="form-label" for="{own}">{escape(free.label)}</label> '
            f'<input class="form-control" type="text" name="{escape(name)}{TEXT_SUFFIX}" id="{own}" '
            f'value="{escape(written)}" maxlength="{MAX_TEXT}"{pattern}{title}>{about}</fieldset>'
        )

    def _id(self) -> str:
        return f"spawnpenny-{next(self._ids)}"


def _option(item: _Item, *, selected: bool) -> str:
    state = f"{' selected' if selected else ''}{' disabled' if item.shortage else ''}"
    label = f"{item.label} ({item.shortage.reason.rstrip('.')})" if item.shortage else item.label
    return f'<option value="{escape(item.value)}"{state}>{escape(label)}</option>'


def _description(field: FormField, own: str) -> str:
    if not field.description:
        return ""
    return f'<p class="spawnpenny-description form-text" id="{own}">{markup(field.description)}</p>'


def _group(field: FormField, inner: str) -> str:
    return f'<div class="spawnpenny-field" data-option="{escape(field.name)}">{inner}</div>'


def markup(text: str) -> str:
    """Return the HTML of a description: links, emphasis, code and line breaks are kept, everything else is escaped.

    The result is built from the parsed tags. Nothing is copied, so a tag that browsers parse otherwise cannot get
    through.
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.result()


class _Reader(HTMLParser):
    """Parser that rebuilds the allowed HTML of a text."""

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
