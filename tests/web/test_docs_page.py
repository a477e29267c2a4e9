"""The page at ``/docs``: each method of a route can be read."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest


@pytest.fixture(scope="module")
def colours():
    """Return the colour behind the badge of each method; the letters are white."""
    css = (files("spawnpenny.web") / "static" / "docs.css").read_text(encoding="utf-8")
    return dict(re.findall(r"^b\.(\w+) \{ background: #(\w{6});", css, re.MULTILINE))


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_the_badge_of_each_method_that_a_route_has_can_be_read(caller, colours):
    document = await (await (await caller()).get("/openapi.json")).json()
    methods = {method for operations in document["paths"].values() for method in operations}
    assert "post" in methods
    assert {method: colours.get(method) is not None for method in methods} == dict.fromkeys(methods, True)
    assert [method for method in colours if 1.05 / (luminance(colours[method]) + 0.05) < 4.5] == []
