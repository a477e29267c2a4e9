"""The page for sites that come from KubeSpawner says of each of its traits what becomes of it."""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from pathlib import Path

import pytest
from jupyterhub.spawner import Spawner
from kubespawner import KubeSpawner

from spawnpenny.admin.migration.objects import GET
from spawnpenny.admin.migration.traits import RENAMED, TRAITS, Outcome, table
from spawnpenny.clients.jupyterhub import SpawnpennySpawner
from spawnpenny.clients.jupyterhub.kubespawner_names import METHODS, MOVED, UNUSED, advice_for
from spawnpenny.clients.jupyterhub.kubespawner_names import RENAMED as MOVED_RENAMED
from spawnpenny.plugin import spec as plugin_spec
from spawnpenny.settings.model import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "from-kubespawner.md").read_text()
PLUGINS = {
    "lab": "spawnpenny_lab.settings:LabSettingsSchema",
    "storage": "spawnpenny_storage.settings:StorageSettingsSchema",
    "namespace": "spawnpenny_namespace.settings:NamespaceSettingsSchema",
    "dask": "spawnpenny_dask.settings:DaskSettingsSchema",
}


def is_setting(key):
    first, *rest = key.split(".")
    if first == "plugins" and len(rest) > 1:
        module, _, schema = PLUGINS[rest[0]].partition(":")
        fields = getattr(import_module(module), schema)().load_fields
        return rest[1] in fields
    if first == "plugins":
        return rest[0] in PLUGINS
    found = Settings()
    for part in (first, *rest):
        if part not in {field.name for field in dataclasses.fields(found)}:
            return False
        found = getattr(found, part)
    return True


def test_each_trait_of_the_installed_kubespawner_is_there_and_no_other():
    assert TRAITS.keys() == KubeSpawner.class_traits(config=True).keys()


def test_the_page_has_the_table_that_the_command_carries_by():
    assert PAGE.endswith(f"\n\n{table()}\n")


@pytest.mark.parametrize(
    "trait", [trait for trait in TRAITS.values() if trait.outcome is Outcome.SETTING], ids=lambda it: it.name
)
def test_the_setting_that_a_trait_becomes_is_one(trait):
    assert is_setting(trait.to)


def test_the_settings_that_the_page_and_its_notes_name_are_ones():
    named = set(re.findall(r"`((?:plugins|pods|deadlines|namespaces)\.[a-z_.]+)", PAGE))
    assert [key for key in named if not is_setting(key)] == []


def test_what_stays_on_the_hub_is_a_trait_of_our_spawner():
    ours = SpawnpennySpawner.class_traits(config=True)
    named = re.findall(r"c\.SpawnpennySpawner\.(\w+)", PAGE)
    assert [name for name in named if name not in ours] == []


def test_the_hooks_are_ours():
    named = {trait.to for trait in TRAITS.values() if trait.to.startswith("spawnpenny_")}
    assert named <= vars(plugin_spec).keys()


def test_our_spawner_takes_each_name_of_the_installed_kubespawner():
    theirs = KubeSpawner.class_traits()
    assert {name for name in theirs if not Spawner.class_traits().keys() & {name}} <= MOVED.keys()
    malformed = "singleuser_allow_privilege_escalationsingleuser_lifecycle_hooks"
    public = {name for name in set(dir(KubeSpawner)) - set(dir(Spawner)) if not name.startswith("_")}
    assert public - MOVED.keys() - METHODS.keys() == {malformed}
    assert MOVED_RENAMED == RENAMED
    assert all(hasattr(KubeSpawner, name) for name in METHODS)


def test_the_names_have_the_defaults_of_the_installed_kubespawner():
    theirs = {name: trait for name, trait in KubeSpawner.class_traits().items() if name in MOVED}
    default = {name: trait.default() for name, trait in theirs.items() if name != "slow_spawn_message"}
    assert {name: MOVED[name].default for name in default} == default


@pytest.mark.parametrize("name", [name for name in TRAITS if name in MOVED or name in UNUSED])
def test_the_warning_names_the_place_that_the_page_names(name):
    place = TRAITS[name].to
    advice = advice_for(name)
    assert place.removeprefix("c.SpawnpennySpawner.").removeprefix("c.JupyterHub.") in advice


def test_what_jupyterhub_has_and_is_not_used_is_warned_of():
    settings = {trait.name for trait in TRAITS.values() if trait.outcome is Outcome.SETTING}
    used = {"notebook_dir", "default_url", "port", "environment"}
    assert settings & Spawner.class_traits().keys() - used == set(UNUSED)


def test_old_names_of_traits_lead_to_traits():
    assert set(RENAMED.values()) <= TRAITS.keys()
    known = {old for old in KubeSpawner._deprecated_traits if "escalationsingleuser" not in old}  # a comma is missing
    assert known <= RENAMED.keys()


def test_the_page_has_the_command_that_tells_of_the_cluster():
    assert f"{GET} > objects.json" in PAGE
