"""Kubernetes quantities: read and written exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.domain.quantities import format_quantity, parse_quantity

MOST = 2**63 - 1
VALUES = st.decimals(-MOST, MOST, places=9, allow_nan=False) | st.integers(-MOST, MOST).map(Decimal)


@given(VALUES)
def test_what_is_written_reads_back_as_the_same_value(value):
    assert parse_quantity(format_quantity(value)) == value


@given(st.integers(0, 10**6), st.sampled_from(["m", "", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_what_is_read_reads_back_when_written_the_short_way(number, suffix):
    value = parse_quantity(f"{number}{suffix}")
    assert parse_quantity(format_quantity(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1", 1),
        ("+1", 1),
        ("-1.5", Decimal("-1.5")),
        (".5", Decimal("0.5")),
        ("5.", 5),
        ("500m", Decimal("0.5")),
        ("100u", Decimal("0.0001")),
        ("1n", Decimal("1e-9")),
        ("1k", 1000),
        ("1.5Gi", 1610612736),
        ("2Gi", 2 * 2**30),
        ("2G", 2 * 10**9),
        ("1E", 10**18),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e-3", Decimal("0.001")),
        (2, 2),
        (0.1, Decimal("0.1")),
        ("1.0000000001", Decimal("1.000000001")),
        ("0.1n", Decimal("1e-9")),
        (str(MOST), MOST),
    ],
)
def test_a_quantity_means_what_kubernetes_says(text, value):
    """The last but two: the API server rounds up what is finer than a billionth."""
    assert parse_quantity(text) == value


NONSENSE = ("", " 1", "1 ", "1 Gi", "1gi", "1GB", "1K", "1mi", "Gi", "m", ".", "-", "1e", "1ee3", "1e3m", "0x10", "1_0")
MORE_NONSENSE = ("1,5", "nan", "inf", "\u0661", "1\n", "--1", "1.2.3", "1" * 65)
TOO_MUCH = ("1e100", "1e99", "8Ei", "9223372036854775808")


@pytest.mark.parametrize("text", [*NONSENSE, *MORE_NONSENSE, *TOO_MUCH])
def test_what_is_no_quantity_is_refused_and_quoted(text):
    with pytest.raises(ValueError, match="quantity") as refused:
        parse_quantity(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("value", "text"),
    [("2147483648", "2Gi"), ("1.5", "1500m"), ("0", "0"), ("1000", "1000"), ("0.0001", "100u"), ("1E+3", "1000")],
)
def test_a_value_is_written_the_short_way(value, text):
    assert format_quantity(Decimal(value)) == text
