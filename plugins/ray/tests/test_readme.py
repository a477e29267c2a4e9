"""The plugin's README, held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from spawnpenny_ray.settings import RaySettingsSchema, Role

from spawnpenny.api import fields_of_model
from spawnpenny.testing.plugins import make_settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_each_key_is_documented_and_no_other():
    section = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    tables = [re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE) for part in section.split("\n\n")]
    settings, role = [sorted(name for row in rows for name in re.findall(r"`(.+?)`", row)) for rows in tables if rows]
    assert settings == sorted(RaySettingsSchema().fields)
    assert role == sorted(fields_of_model(Role))


def test_the_example_loads():
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert make_settings(yaml.safe_load(example)).load("ray", RaySettingsSchema()).max_workers == 10


def test_each_code_is_documented():
    source = "".join(path.read_text() for path in (Path(__file__).parents[1] / "src").rglob("*.py"))
    codes = set(re.findall(r'code="(ray_\w+)"', source))
    assert codes == set(re.findall(r"^\| `(ray_\w+)` \|", README, re.MULTILINE))
