"""A form as a part of a page: plain HTML that stands in JupyterHub's spawn page, or in any other form element.

Its fields are called as KubeSpawner's are: ``profile``, and ``profile-option-<slug>--<option>`` for what applies to one
profile alone. Everything but descriptions is escaped; those may have what ``web.form.markup`` lets through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from itertools import count
from typing import Any, Final

from spawnpenny.domain.answers import Answer, answer_of
from spawnpenny.domain.availability import Path, Shortage
from spawnpenny.domain.forms import MAX_TEXT, TEXT_SUFFIX, UNLISTED, FormChoice, FormField, FreeText
from spawnpenny.errors import InvalidRequestError
from spawnpenny.web.form.markup import markup

_HIDDEN: Final = "visually-hidden"


def form_page(
    form: Sequence[FormField], chosen: Mapping[str, Any], short: Mapping[Path, Shortage] | None = None
) -> str:
    """Return the HTML of a form, or nothing where there is nothing to choose.

    Args:
        form: The fields.
        chosen: Options that it begins with. What does not fit any more gives way to the default.
        short: The choices for which there is no room, with what is short: they are shown, and cannot be chosen.

    """
    fields = [each for each in form if each.shown]
    if not fields:
        return ""
    page = _Page(chosen, short or {})
    shown = "".join(page.field(each, each.name, ()) for each in fields)
    style, script = _static("form.css"), _static("form.js")
    return f'<div class="spawnpenny-form"><style>\n{style}</style>{shown}<script>\n{script}</script></div>\n'


def _static(name: str) -> str:
    return files("spawnpenny.web.form").joinpath(f"static/{name}").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Item:
    """One choice as the page shows it; ``shortage`` says why it cannot be chosen."""

    value: str
    label: str
    description: str = ""
    shortage: Shortage | None = None


@dataclass
class _Page:
    """One page, with ids of its own."""

    chosen: Mapping[str, Any]
    short: Mapping[Path, Shortage]
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def field(self, each: FormField, name: str, path: Path) -> str:
        """Return a field; ``name`` is what the page calls it, ``path`` the choice that it goes with."""
        answer = self._answer(each, path)
        if each.choices and any(choice.fields or choice.description for choice in each.choices):
            return self._radios(each, name, answer, path)
        if not each.choices and each.free_text is not None:
            written = answer.value if answer else ""
            inner = self._text(each.free_text, name, written, told=each.description)
            return _group(each, f"<fieldset><legend>{escape(each.label)}</legend>{inner}</fieldset>")
        return self._select(each, name, answer, path)

    def _answer(self, each: FormField, path: Path) -> Answer | None:
        """Return the initial choice of the page: the user's own, else the default, else one that fits the budget."""
        for options in (self.chosen, {}):
            try:
                answer = answer_of(each, options)
            except InvalidRequestError:
                continue  # it does not fit, or not any more
            if answer.written or (*path, each.name, answer.value) not in self.short:
                return answer
        free = (choice for choice in each.choices if (*path, each.name, choice.value) not in self.short)
        roomy = next(free, each.default)
        return Answer(roomy.value) if roomy is not None else None

    def _radios(self, each: FormField, name: str, answer: Answer | None, path: Path) -> str:
        choices = "".join(
            self._radio(choice, name, answer, (*path, each.name, choice.value)) for choice in each.choices
        )
        if each.free_text is not None:
            choices += self._other(each.free_text, name, answer)
        message = f'<p class="spawnpenny-told form-text">{markup(each.description)}</p>' if each.description else ""
        return _group(each, f"<fieldset><legend>{escape(each.label)}</legend>{message}{choices}</fieldset>")

    def _radio(self, choice: FormChoice, name: str, answer: Answer | None, path: Path) -> str:
        checked = answer is not None and not answer.written and answer.value == choice.value
        further = "".join(
            self.field(each, f"{name}-option-{choice.value}--{each.name}", path) for each in choice.fields if each.shown
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
            f'<p class="spawnpenny-told form-text" id="{description}">{markup(item.description)}</p>'
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

    def _select(self, each: FormField, name: str, answer: Answer | None, path: Path) -> str:
        own, description = self._id(), self._id()
        written = answer.value if answer and answer.written else ""
        items = [
            _Item(choice.value, choice.label, shortage=self.short.get((*path, each.name, choice.value)))
            for choice in each.choices
        ]
        now = UNLISTED if written else answer.value if answer else ""
        text = ""
        if each.free_text is not None:
            items.append(_Item(UNLISTED, each.free_text.listed_as))
            text = self._text(each.free_text, name, written)
        about = f' aria-describedby="{description}"' if each.description else ""
        message = (
            f'<p class="spawnpenny-told form-text" id="{description}">{markup(each.description)}</p>'
            if each.description
            else ""
        )
        listed = "".join(_option(item, selected=item.value == now) for item in items)
        return _group(
            each,
            f'<label class="form-label" for="{own}">{escape(each.label)}</label> '
            f'<select class="form-select" name="{escape(name)}" id="{own}"{about}>{listed}</select>{message}{text}',
        )

    def _text(self, free: FreeText, name: str, written: str, *, told: str = "") -> str:
        own = self._id()
        pattern = f' data-pattern="{escape(free.pattern)}"' if free.pattern is not None else ""
        title = f' title="{escape(free.message)}"' if free.message else ""
        about = f'<p class="spawnpenny-told form-text">{markup(told)}</p>' if told else ""
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


def _group(each: FormField, inner: str) -> str:
    return f'<div class="spawnpenny-field" data-option="{escape(each.name)}">{inner}</div>'
