"""The page about JupyterHub is held to the spawner."""

from __future__ import annotations

import re
from pathlib import Path

from jupyterhub.app import JupyterHub
from traitlets.config import PyFileConfigLoader

from spawnpenny.clients.jupyterhub import SpawnpennySpawner
from spawnpenny.clients.jupyterhub.traits import SpawnpennyTraits

PAGE = (Path(__file__).parents[2] / "docs/how-to/jupyterhub.md").read_text()
OWN = SpawnpennyTraits.class_own_traits(config=True)


def test_each_trait_is_documented_with_its_default():
    table = PAGE.partition("## What is set where")[2].partition("\n\nThese traits")[0]
    rows = dict(re.findall(r"^\| (`[^|]+`) \|([^|]*)\|", table, re.MULTILINE))
    assert {name for names in rows for name in re.findall(r"\w+", names)} == set(OWN)
    documented = {names.strip("`"): default.strip("` ") for names, default in rows.items()}
    for name in ("patience", "start_timeout", "stop_timeout", "purge_storage", "retire_users", "allow_rename"):
        assert documented[name] == str(OWN[name].default_value).removesuffix(".0")


def test_each_trait_has_help():
    assert [name for name, trait in OWN.items() if len(trait.help.strip()) < 40] == []


def test_the_configuration_is_one_that_a_hub_takes(tmp_path):
    (config, culling) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "jupyterhub_config.py").write_text(config + culling)
    loaded = PyFileConfigLoader("jupyterhub_config.py", path=str(tmp_path)).load_config()
    hub = JupyterHub(config=loaded)
    assert hub.spawner_class is SpawnpennySpawner
    assert [service["name"] for service in hub.services] == ["cull"]
    unknown = set(loaded.SpawnpennySpawner) - set(SpawnpennySpawner.class_traits(config=True))
    assert unknown == set()
