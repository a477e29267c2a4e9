"""Every error has a code of its own, a status, a title, and one sentence."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from pathlib import Path

import pytest
import spawnpenny_dask.errors  # noqa: F401
import spawnpenny_storage.errors  # noqa: F401

import spawnpenny.app  # noqa: F401 - it loads all errors of the service
from spawnpenny.advice import advice
from spawnpenny.errors import SpawnError, SpawnpennyError

ROOT = Path(__file__).parents[1]


def all_errors(base=SpawnpennyError):
    yield base
    for subclass in base.__subclasses__():
        yield from all_errors(subclass)


ERRORS = [
    error
    for error in all_errors()
    if error.__module__.startswith(("spawnpenny.", "spawnpenny_dask.", "spawnpenny_storage."))
]
WORDED = [error for error in ERRORS if "message" not in inspect.signature(error).parameters]


def codes_in(tree):
    """Yield the code of each class that has one, as the source has it."""
    for cls in ast.walk(tree):
        for line in cls.body if isinstance(cls, ast.ClassDef) and cls.name.endswith("Error") else ():
            target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
            if isinstance(target, ast.Name) and target.id == "code" and isinstance(line.value, ast.Constant):
                yield line.value.value


def test_all_errors_in_the_source_are_checked_here(no_collection):
    folders = [ROOT / "src/spawnpenny", ROOT / "plugins/dask/src", ROOT / "plugins/storage/src"]
    files = [file for folder in folders for file in folder.rglob("*.py") if "clients" not in file.parts]
    found = [code for file in files for code in codes_in(ast.parse(file.read_text(encoding="utf-8")))]
    assert sorted(found) == sorted(error.code for error in ERRORS)


def test_codes_are_unique():
    assert [code for code, count in Counter(error.code for error in ERRORS).items() if count > 1] == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_says_what_programs_and_people_need(error):
    assert error.code.replace("_", "").isalpha()
    assert error.code.islower()
    assert 400 <= error.status < 600
    assert error.title[0].isupper()
    assert not error.title.endswith(".")


@pytest.mark.parametrize("error", WORDED, ids=lambda error: error.code)
def test_an_error_that_words_itself_says_sentences(error):
    arguments = {
        name: 1 if "int" in str(parameter.annotation) else name
        for name, parameter in inspect.signature(error).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    message = str(error(**arguments))
    assert message[0].isupper() or message.startswith(tuple(arguments))
    assert message.endswith(".")
    assert message.isprintable()


def test_seconds_to_wait_are_reported_where_they_are_known():
    assert SpawnpennyError("x", retry_after=2).retry_after == 2
    assert SpawnpennyError("x").retry_after is None


def test_a_plugin_may_have_codes_of_its_own_with_general_advice():
    error = SpawnError("No licence is left.", code="licence_2_refused", pool="blue")
    assert (error.code, SpawnError.code, error.facts) == ("licence_2_refused", "spawn_failed", {"pool": "blue"})
    assert error.advice == advice("spawn_failed")
    assert SpawnError("No licence is left.").code == "spawn_failed"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "is not a code"),
        ("Licence", "is not a code"),
        ("2licence", "is not a code"),
        ("licence refused", "is not a code"),
        ("licence\n", "is not a code"),
        ("lizenz_fürs", "is not a code"),
        ("a" * 65, "is not a code"),
        ("quota_exceeded", "is spawnpenny's own"),
        ("lab_not_found", "is spawnpenny's own"),
        ("internal_error", "is spawnpenny's own"),
    ],
)
def test_a_plugin_has_no_code_that_is_none_or_ours(code, message):
    with pytest.raises(ValueError, match=message):
        SpawnError("No licence is left.", code=code)
