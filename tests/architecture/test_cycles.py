"""No two modules import each other, imports for type checking alone left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.house import cycles, imports, modules

pytestmark = pytest.mark.usefixtures("no_collection")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def graph():
    return imports(modules(ROOT))


def test_modules_do_not_import_each_other(graph):
    assert len(graph) > 100
    assert cycles(graph) == 0


def test_an_import_upwards_is_a_cycle(graph):
    graph["spawnpenny.domain.users"].add("spawnpenny.app")
    assert cycles(graph) == 1
