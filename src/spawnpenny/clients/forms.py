"""Options of a submitted form, for any page that shows the form of a lab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_UNLISTED: Final = "unlisted-choice"
_TEXT: Final = f"--{_UNLISTED}"


def options_from_form(submitted: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the options of a lab from a submitted form. Numbers and checkboxes stay texts, which the service takes.

    ``profile-option-<slug>--<option>`` counts only if ``profile`` has that slug. Of a select and the text beside it,
    only the one that the user has chosen counts. Fields that begin with ``_`` belong to the page.

    Args:
        submitted: The values of each field of the form, as JupyterHub passes them.

    """
    # A checkbox has a hidden field of the same name before it, which is sent even if the box is not checked.
    last = {name: value for name, values in submitted.items() for value in list(values)[-1:]}
    own = {name: value for name, value in last.items() if not name.startswith("_") and _plain(name)}
    found = dict(own)
    for field, choice in own.items():
        prefix = f"{field}-option-{choice}--"
        further = {name.removeprefix(prefix): value for name, value in last.items() if name.startswith(prefix)}
        found |= {name: value for name, value in further.items() if _plain(name)}
    for name in [name for name in found if name + _TEXT in found]:
        del found[name if found[name] == _UNLISTED else name + _TEXT]
    return found


def without_texts(submitted: Mapping[str, Iterable[str]]) -> dict[str, Iterable[str]]:
    """Return a form without free texts, such as the name of an unlisted image."""
    return {
        name: values for name, values in submitted.items() if not name.endswith(_TEXT) and _UNLISTED not in list(values)
    }


def _plain(name: str) -> bool:
    return "--" not in name.removesuffix(_TEXT)
