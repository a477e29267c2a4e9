"""The pages for plugin authors name the modules of ``spawnpenny.testing`` that tests of plugins import."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = re.compile(r"\bspawnpenny\.testing\.(\w+)")


def test_what_our_plugins_tests_use_is_documented_and_exists():
    documented = set(MODULE.findall((ROOT / "docs/how-to/plugins.md").read_text(encoding="utf-8")))
    used = {
        name
        for file in (ROOT / "plugins").glob("*/tests/**/*.py")
        for name in MODULE.findall(file.read_text(encoding="utf-8"))
    }
    existing = {path.stem for path in (ROOT / "src/spawnpenny/testing").iterdir()}
    assert used <= documented
    assert documented <= existing
