"""Pictures show what the code does."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from spawnpenny.domain.spawns import Phase

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "spawns.md"


@pytest.mark.slow
def test_the_picture_of_the_pipeline_is_the_one_of_today():
    spec = spec_from_file_location("pipeline_picture", ROOT / "tools" / "pipeline_picture.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.drawn(script.PAGE.read_text()) == script.PAGE.read_text()
    assert "lab.secret --> lab.pod" in script.picture(script.printed())


def test_the_picture_of_phases_has_all_of_them_and_no_other():
    (picture,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert set(re.findall(r"[a-z]+(?= -->)|(?<=--> )[a-z]+", picture)) == {phase.value for phase in Phase}
