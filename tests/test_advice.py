"""Advice on errors: every code has some."""

from __future__ import annotations

import pytest
import spawnpenny_dask.errors  # noqa: F401
import spawnpenny_storage.errors  # noqa: F401

import spawnpenny.app  # noqa: F401 - it loads all errors of the service
from spawnpenny import errors
from spawnpenny.advice import ADVICE, advice

HOMES = ("spawnpenny.", "spawnpenny_dask.", "spawnpenny_storage.")


def classes(base):
    return {base, *(cls for child in base.__subclasses__() for cls in classes(child))}


def codes():
    return {cls.code for cls in classes(errors.SpawnpennyError) if cls.__module__.startswith(HOMES)}


def of_their_own():
    """Return the advice that classes have, by code."""
    ours = [cls for cls in classes(errors.SpawnpennyError) if cls.__module__.startswith(HOMES)]
    return {cls.code: cls.advice for cls in ours if cls.advice is not None}


def test_each_code_has_advice_and_no_advice_is_for_a_code_that_is_not():
    assert codes() - ADVICE.keys() - of_their_own().keys() == {"internal_error"}, "write advice in spawnpenny/advice.py"
    assert ADVICE.keys() & of_their_own().keys() == set(), "one of the two is never seen"
    assert ADVICE.keys() - codes() == set(), "no such code: remove its advice"
    assert advice("internal_error") is None


@pytest.mark.parametrize("text", [*ADVICE.values(), *sorted(set(of_their_own().values()))])
def test_advice_is_a_sentence_that_says_what_to_do(text):
    assert text[0].isupper()
    assert text.endswith(".")
    assert len(text) < 130


def test_an_error_may_know_better_than_its_code():
    error = errors.SpawnError("The licence server is down.", advice="Tell the helpdesk.")
    assert (error.advice, dict(error.facts)) == ("Tell the helpdesk.", {})
