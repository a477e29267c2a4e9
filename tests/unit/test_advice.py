"""Advice for whoever meets an error: each code has some."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import spawnpenny
from spawnpenny import errors
from spawnpenny.domain.advice import ADVICE, advice

_ROOMS = ("auth", "broker", "kubernetes", "pipeline", "replicas", "settings", "spawns")
_PLUGINS = ("spawnpenny_dask", "spawnpenny_storage")


def classes(base):
    return {base, *(cls for child in base.__subclasses__() for cls in classes(child))}


def codes():
    for room in _ROOMS:
        package = importlib.import_module(f"spawnpenny.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for plugin in _PLUGINS:
        importlib.import_module(f"{plugin}.errors")
    homes = tuple(f"{name}." for name in (spawnpenny.__name__, *_PLUGINS))
    found = {cls for cls in classes(errors.SpawnpennyError) if cls.__module__.startswith(homes)}
    return {each.code for each in found}


def test_each_code_has_advice_and_no_advice_is_for_a_code_that_is_not():
    assert codes() - ADVICE.keys() == {"internal_error"}
    assert ADVICE.keys() - codes() == set()
    assert advice("internal_error") is None


@pytest.mark.parametrize("text", ADVICE.values(), ids=ADVICE)
def test_advice_is_a_sentence_that_says_what_to_do(text):
    assert text[0].isupper()
    assert text.endswith(".")
    assert len(text) < 130


def test_an_error_may_know_better_than_its_code():
    told = errors.SpawnError("The licence server is down.", advice="Tell the helpdesk.")
    assert (told.advice, dict(told.facts)) == ("Tell the helpdesk.", {})
