"""Turn a submitted spawn form into options: pure functions, for any page that shows the form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_UNLISTED: Final = "unlisted-choice"
_TEXT: Final = f"--{_UNLISTED}"


def options_from_form(submitted: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the options of a lab that a submitted form stands for.

    ``profile-option-<slug>--<option>`` is the option where ``profile`` is that slug, and nothing where it is not; of a
    select and the text beside it, the one counts that the user meant. What begins with ``_`` is the page's own.

    Args:
        submitted: The values of each field of the form, as JupyterHub gives them.

    """
    first = {name: value for name, values in submitted.items() for value in list(values)[:1]}
    own = {name: value for name, value in first.items() if not name.startswith("_") and _plain(name)}
    found = dict(own)
    for field, choice in own.items():
        prefix = f"{field}-option-{choice}--"
        further = {name.removeprefix(prefix): value for name, value in first.items() if name.startswith(prefix)}
        found |= {name: value for name, value in further.items() if _plain(name)}
    for name in [each for each in found if each + _TEXT in found]:
        del found[name if found[name] == _UNLISTED else name + _TEXT]
    return found


def without_texts(submitted: Mapping[str, Iterable[str]]) -> dict[str, Iterable[str]]:
    """Leave out what was written rather than chosen, such as the name of an image that is not offered."""
    return {
        name: values for name, values in submitted.items() if not name.endswith(_TEXT) and _UNLISTED not in list(values)
    }


def _plain(name: str) -> bool:
    return "--" not in name.removesuffix(_TEXT)
