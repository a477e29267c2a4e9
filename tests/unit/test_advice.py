"""Who is told why a lab failed is told what to do as well."""

from __future__ import annotations

from spawnpenny import errors
from spawnpenny.domain.advice import ADVICE, advice


def classes(base):
    return {base, *(each for child in base.__subclasses__() for each in classes(child))}


def test_every_failure_of_a_spawn_and_no_code_that_there_is_not_has_advice():
    codes = {each.code for each in classes(errors.SpawnpennyError)}
    assert {each.code for each in classes(errors.SpawnError) if each.__module__ == errors.__name__} <= ADVICE.keys()
    assert ADVICE.keys() <= codes
    assert advice("internal_error") is None
