"""What counts against a budget adds up exactly and survives a record."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.domain.resources import Resources, total

AMOUNTS = st.decimals(0, 10**12, places=6, allow_nan=False)
COUNTS = st.dictionaries(st.sampled_from(["lab", "ray", "job"]), st.integers(1, 100))
RESOURCES = st.builds(Resources, AMOUNTS, AMOUNTS, COUNTS)


@given(RESOURCES)
def test_resources_survive_json(resources):
    assert Resources.from_json(resources.to_json()) == resources


def test_tenths_add_up_exactly():
    assert total([Resources(cpu=Decimal("0.1"))] * 10).cpu == 1


def test_spawns_add_up_by_kind():
    counted = total([Resources(spawns={"lab": 1}), Resources(spawns={"ray": 2}), Resources(spawns={"lab": 2})])
    assert (counted.count("lab"), counted.count("ray"), counted.count("job")) == (3, 2, 0)


def test_nothing_asked_is_nothing():
    assert total([]) == Resources()
