"""The reference of the plugin API: each entry of the page's lists becomes the documentation of that name.

On a code host the page is a list of names with a sentence for each. Sphinx shows signature, docstring and members.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any

import spawnpenny.api as plugin_api
from spawnpenny.api import client, commands, http, serving

if TYPE_CHECKING:
    from types import ModuleType

    from sphinx.application import Sphinx

PAGE = "reference/plugin-api"
ENTRY = re.compile(r"^- `([\w.]+)`: (.*(?:\n  .*)*)\n", re.MULTILINE)
MODULES = {"": plugin_api, "http.": http, "commands.": commands, "serving.": serving, "client.": client}
"""The modules that a plugin may import, by how the entries of their names begin."""


def names() -> list[str]:
    """Return all names of the plugin API, as the page has them."""
    return [f"{prefix}{name}" for prefix, module in MODULES.items() for name in module.__all__]


def value_of(name: str) -> Any:
    """Return what a name of the page stands for."""
    prefix, dot, own = name.rpartition(".")
    return getattr(MODULES[f"{prefix}{dot}"], own)


def hook_module() -> ModuleType:
    """Return the module with the specifications of the hooks."""
    return next(
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith("spawnpenny.") and "spawnpenny_steps" in vars(module)
    )


def hooks() -> dict[str, Any]:
    """Return the specifications of the hooks by their names."""
    return {name: value for name, value in vars(hook_module()).items() if name.startswith("spawnpenny_")}


def directive(name: str, sentence: str) -> str:
    """Return what Sphinx reads for one name of the plugin API."""
    if name in hooks():
        lines = [f".. autofunction:: {hook_module().__name__}.{name}"]
    elif name not in names():
        message = f"spawnpenny.api has no {name}"
        raise AttributeError(message)
    elif inspect.isclass(value := value_of(name)):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
        members = "" if kind == "autoexception" else "   :members:"
        lines = [f".. {kind}:: spawnpenny.api.{name}", members]
    elif inspect.isfunction(value):
        lines = [f".. autofunction:: spawnpenny.api.{name}"]
    else:
        lines = [f".. py:data:: {name}", "", f"   {_plain(sentence)}"]
    return "\n".join(["```{eval-rst}", *lines, "```", "", ""])


def _plain(sentence: str) -> str:
    """Return a sentence of the page as reStructuredText."""
    return re.sub(r"`([^`]+)`", r"``\1``", " ".join(sentence.split()))


def complete(_: Sphinx, name: str, source: list[str]) -> None:
    """Complete the page of the plugin API."""
    if name == PAGE:
        source[0] = ENTRY.sub(lambda entry: directive(entry[1], entry[2]), source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", complete)
    return {"parallel_read_safe": True}
