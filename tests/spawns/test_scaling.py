"""Scales beyond a budget, cut to what fits."""

from __future__ import annotations

import pytest

from spawnpenny.domain.spawns import Scale
from spawnpenny.spawns.scaling import fit, fit_maximum


def limited(scale):
    """Refuse more than six cores, where a worker of the group spot has two."""
    return "too many" if scale.count + 2 * scale.of("spot") > 6 else None


@pytest.mark.parametrize(
    ("desired", "now", "fits"),
    [
        (Scale(9), Scale(), Scale(6)),
        (Scale(9, groups={"spot": 2}), Scale(), Scale(6)),
        (Scale(2, groups={"spot": 9}), Scale(2), Scale(2, groups={"spot": 2})),
        (Scale(7, groups={"spot": 1}), Scale(7, groups={"spot": 2}), Scale(7, groups={"spot": 1})),
        (Scale(9, 8, None, adaptive=True), Scale(1), Scale(6, 6, None, adaptive=True)),
        (Scale(6), Scale(), Scale(6)),
    ],
)
def test_what_is_cut_is_what_grows(desired, now, fits):
    fitted = fit(desired, now=now, refusal=limited)
    assert fitted.scale == fits
    assert (fitted.refusal is None) == (desired == fits)


@pytest.mark.parametrize(
    ("desired", "maximum", "minimum"),
    [
        (Scale(0, 0, 9, adaptive=True), 6, 0),
        (Scale(0, 7, 9, adaptive=True), 6, 6),
        (Scale(0, 0, 6, adaptive=True), 6, 0),
        (Scale(0, 0, None, adaptive=True), None, 0),
        (Scale(0, 0, 9, adaptive=True, groups={"spot": 1}), 4, 0),
        (Scale(0, 0, 9), 9, 0),
    ],
)
def test_a_maximum_that_can_never_be_reached_is_cut(desired, maximum, minimum):
    fitted = fit_maximum(desired, now=Scale(), refusal=limited)
    assert (fitted.scale.maximum, fitted.scale.minimum) == (maximum, minimum)
    assert (fitted.refusal is None) == (fitted.scale == desired)
