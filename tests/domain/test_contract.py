"""The names that plugins and the service share are written in one place, and documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from spawnpenny import api
from spawnpenny.domain import contract

pytestmark = pytest.mark.usefixtures("no_collection")

ROOT = Path(__file__).parents[2]
NAMES = {name: value for name, value in vars(contract).items() if name.isupper()}


def literals(node):
    """Yield the texts that a statement or expression gives a name, looks for, or compares with."""
    match node:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            yield from [value, *getattr(value, "elts", ())]
        case ast.Dict(keys=keys, values=values):
            named = zip(keys, values, strict=True)
            yield from (
                value for key, value in named if isinstance(key, ast.Constant) and key.value in {"name", "port"}
            )
        case ast.Compare(left=left, comparators=others):
            yield from (left, *others)
        case ast.Subscript(value=ast.Attribute(attr="secrets"), slice=key):
            yield key
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="secrets")), args=[key, *_]):
            yield key


def written_again(tree):
    """Return where a text stands that is one of the names."""
    return [
        found.lineno
        for node in ast.walk(tree)
        for found in literals(node)
        if isinstance(found, ast.Constant) and found.value in NAMES.values()
    ]


def test_no_name_is_written_a_second_time():
    files = {*ROOT.glob("src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")} - {Path(contract.__file__)}
    found = {str(file): written_again(ast.parse(file.read_text())) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "line",
    [
        '_LAB: str = "notebook"',
        '_ROLES = ("scheduler", "worker")',
        'container = {"name": "notebook"}',
        'port = {"port": "tls"}',
        'is_worker = part == "worker"',
        'kept = record.secrets.get("authority")',
        'kept = spawn.secrets["authority"]',
    ],
)
def test_a_name_that_is_written_again_is_found(line):
    assert written_again(ast.parse(line))


def test_plugins_have_all_of_them_and_their_page_lists_them():
    page = (ROOT / "docs" / "reference" / "plugin-api.md").read_text()
    for name, value in NAMES.items():
        assert getattr(api, name) == value
        assert f"- `{name}`: `{value}`," in page
