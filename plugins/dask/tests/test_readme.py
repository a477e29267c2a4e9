"""The plugin's README, held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from spawnpenny_dask.options import _TYPES, SiteOptionSchema
from spawnpenny_dask.overrides import OverridesSchema
from spawnpenny_dask.roles import WorkerRole
from spawnpenny_dask.settings import DaskSettingsSchema

from spawnpenny.api import fields_of_model
from spawnpenny.testing.plugins import make_settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def tables(heading):
    """Return what is in the first column of each table of a section."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = [re.findall(r"^\| (`.*?`) \|", part, re.MULTILINE) for part in section.split("\n\n")]
    return [sorted(name for row in rows for name in re.findall(r"`(.+?)`", row)) for rows in found if rows]


def test_each_key_is_documented_and_no_other():
    settings, role = tables("Settings")
    assert settings == sorted(DaskSettingsSchema().fields)
    assert role == sorted(fields_of_model(WorkerRole))


def test_each_key_of_an_option_and_all_that_it_can_set_is_documented():
    option, target = tables("Options")
    assert option == sorted(field.data_key or name for name, field in SiteOptionSchema().fields.items())
    assert target == sorted({*OverridesSchema().fields, *_TYPES})


def test_the_examples_load():
    offered = []
    for example in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL):
        settings = make_settings(yaml.safe_load(example)).load("dask", DaskSettingsSchema())
        offered.append([option.name for option in settings.offered()])
    assert offered == [["size", "gpu", "environment"], [], ["worker_cores", "worker_memory", "image"]]
