"""The reference of the plugin API is complete, and each of its names says what a caller needs."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest
from marshmallow import Schema

from spawnpenny import api
from spawnpenny.api import client, commands, http, serving

DOCS = Path(__file__).parents[2] / "docs"
MODULES = (api, client, commands, http, serving)
DOCUMENTED = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name in module.__all__
    if inspect.isclass(value := getattr(module, name)) or getattr(value, "__name__", "") == name
}


@pytest.fixture(scope="module")
def extension():
    sys.path.insert(0, str(DOCS / "_extensions"))
    yield import_module("plugin_api")
    sys.path.remove(str(DOCS / "_extensions"))


def own_docstring(value):
    """Return a docstring that is neither inherited nor made by ``dataclass``."""
    text = inspect.cleandoc((vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or "")
    return "" if dataclasses.is_dataclass(value) and text.startswith(f"{value.__name__}(") else text


def test_each_name_and_each_hook_has_one_entry(extension):
    text = (DOCS / f"{extension.PAGE}.md").read_text(encoding="utf-8")
    entries = [name for name, _ in extension.ENTRY.findall(text)]
    assert text.count("\n- ") == len(entries)
    assert sorted(entries) == sorted([*extension.names(), *extension.hooks()])
    assert set(extension.MODULES.values()) == set(MODULES)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_class_and_function_has_a_docstring_of_its_own(name):
    text = own_docstring(DOCUMENTED[name])
    assert text.split("\n\n")[0].rstrip().endswith((".", ":")), f"{name}: {text!r}"


@pytest.mark.parametrize("name", [name for name, value in DOCUMENTED.items() if inspect.isclass(value)])
def test_each_public_method_has_a_docstring(name):
    members = {key: value for key, value in vars(DOCUMENTED[name]).items() if not key.startswith("_")}
    methods = {key: getattr(value, "fget", None) or getattr(value, "__func__", value) for key, value in members.items()}
    methods = {key: value for key, value in methods.items() if inspect.isfunction(value) and not hasattr(Schema, key)}
    assert [key for key, value in methods.items() if not value.__doc__] == []


def test_each_hook_says_when_it_is_called_and_has_an_example(extension):
    for name, hook in extension.hooks().items():
        text = inspect.getdoc(hook)
        assert "Called " in text, name
        assert f"def {name}(" in text.partition("Example::")[2], name
