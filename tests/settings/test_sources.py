"""Files of settings and orders: what YAML itself, or Python, cannot make something of is refused in words."""

from __future__ import annotations

import pytest

from spawnpenny.broker.orders import OrdersFile, parse_orders
from spawnpenny.errors import SettingsError
from spawnpenny.settings.sources import overrides, parse_mapping, read_yaml

WRONG = {
    "a: " + "[" * 3000: "is nested too deep",
    "a: " + "{b: " * 3000: "is nested too deep",
    "a:\n" + "".join(f"{' ' * depth}- \n" for depth in range(1, 3000)): "is nested too deep",
    "a: " + "1" * 6000: "has a number that is too long",
    "a: 2026-13-45": "has .* a date that does not exist",
    "a: 1\na: 2": "has the key 'a' twice, at line 2, column 1",
    "a: {b: 1, b: 2}": "has the key 'b' twice",
    "a: [1": "is not YAML",
    "[1, 2]": "has no mapping",
    "a": "has no mapping",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=lambda text: text[:12])
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path, text, message):
    file = tmp_path / "file.yaml"
    file.write_text(text)
    for read in (
        lambda: read_yaml(file),
        lambda: parse_mapping(text, "It"),
        lambda: parse_orders(text, "orders.yaml"),
        OrdersFile(str(file)).read,
    ):
        with pytest.raises(SettingsError, match=message):
            read()


@pytest.mark.parametrize("value", ["[" * 3000, "1" * 6000, "2026-13-45"])
def test_a_variable_that_cannot_be_read_is_refused_by_name(value):
    with pytest.raises(SettingsError, match=r"The value of \$SPAWNPENNY_WEB__PORT"):
        overrides({"SPAWNPENNY_WEB__PORT": value})


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "file.yaml"
    file.write_bytes(b"a: \xff")
    for read in (lambda: read_yaml(file), OrdersFile(str(file)).read):
        with pytest.raises(SettingsError, match="is not UTF-8"):
            read()
