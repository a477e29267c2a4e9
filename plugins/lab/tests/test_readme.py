"""The plugin's README, held to the code."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import yaml
from spawnpenny_lab.settings import LabSettingsSchema
from spawnpenny_lab.template import Template

from spawnpenny.api import Group, Identity, fields_of_model
from spawnpenny.testing.plugins import FIELDS, SpawnRequest
from spawnpenny.testing.site import lab, settled

README = (Path(__file__).parents[1] / "README.md").read_text()


def first_column(heading):
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        name for row in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)
    ]


def test_each_key_is_documented_and_no_other():
    assert sorted(first_column("Settings")) == sorted(LabSettingsSchema().fields)


def test_the_page_marks_the_keys_that_take_templates():
    marked = re.findall(r"^\| (`.*?`) \| .* \| (?:T[:,]|.*\(T\))", README, re.MULTILINE)
    template = {key for key, field in fields_of_model(Template).items() if getattr(field, "template", False)}
    assert {name for row in marked for name in re.findall(r"`(.+?)`", row)} - {"extra_container_config"} == template


def test_each_field_of_templates_is_documented_and_no_other():
    assert sorted(first_column("Templates")) == sorted(f"{{{field}}}" for field in FIELDS)


async def test_the_plugin_that_decides_by_group_works(embedded_site):
    (source,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    plugin = SimpleNamespace()
    exec(source, plugin.__dict__)
    *_, section = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    embedded_site.data["plugins"]["lab"] = yaml.safe_load(section)["plugins"]["lab"]
    embedded_site.plugins = {"teams": plugin}
    limits = {}
    async with embedded_site.service() as service:
        for user, groups in (("ada", (Group("vision", 3001),)), ("bob", ())):
            who = Identity(user, frozenset({"spawn:self"}), user, 2001, 2001, groups)
            run = (await service.spawns.start(user, lab(), SpawnRequest("s"), identity=who)).run
            assert (await settled(run)).record.reason is None
            pod = (await embedded_site.objects("Pod", user=user))["Pod/lab"]
            limits[user] = pod["spec"]["containers"][0]["resources"]["limits"]
            assert ("example.org/team" in pod["metadata"]["labels"]) == (user == "ada")
    assert limits["ada"] == {"cpu": "1", "memory": "16Gi", "nvidia.com/gpu": "1"}
    assert limits["bob"] == {"cpu": "1", "memory": "2Gi"}
