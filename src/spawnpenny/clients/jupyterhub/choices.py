"""What a user chose: read from the form's fields, and fit to be sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from spawnpenny.clients.jupyterhub.refusals import RefusedError

_DEPENDENT: Final = re.compile(r"(?P<field>.+?)-option-(?P<rest>.+)", re.DOTALL)


def chosen(form: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the options that a form's fields say, by KubeSpawner's names.

    ``profile-option-<slug>--<name>`` is the option ``name``, where the profile of that slug was chosen, and nothing
    else; likewise for any other field than ``profile``. A field that came once is its value.
    """
    options: dict[str, Any] = {}
    for field, values in form.items():
        name = _option(field, form)
        if name is not None and values:
            options[name] = values[0] if len(values) == 1 else list(values)
    return options


def _option(field: str, form: Mapping[str, Sequence[Any]]) -> str | None:
    if field.startswith("_"):
        return None  # JupyterHub's own, such as _xsrf
    match = _DEPENDENT.fullmatch(field)
    if match is None:
        return field
    for value in form.get(match["field"], ()):
        name = match["rest"].removeprefix(f"{value}--")
        if name and name != match["rest"]:
            return name
    return None


def sendable(options: Any) -> dict[str, Any]:
    """Return a user's options as they are sent.

    Raises:
        RefusedError: They are not what JSON can say, such as files.

    """
    if not isinstance(options, dict):
        raise RefusedError("option_invalid", "A server's options are an object of names and values.", status=422)
    for name, value in options.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            what = "a file" if str(name).endswith("_file") or isinstance(value, bytes) else "what JSON cannot say"
            message = f"The option {name} is {what}, and servers take none."
            raise RefusedError("option_invalid", message, advice="Leave it out.", status=422) from None
    return options
