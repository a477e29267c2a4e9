"""Kinds: declared by plugins, and checked when the plugins are loaded."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from spawnpenny.api import FormChoice, FormField, InvalidNameError, Key, Kind, OptionSource, User, hookimpl
from spawnpenny.errors import PluginError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings

RAY = Kind("ray", "rays", "Ray cluster", scales=True, ends_with_lab=True)


def declaring(*kinds):
    return SimpleNamespace(spawnpenny_kinds=hookimpl(lambda: list(kinds), specname="spawnpenny_kinds"))


def refusal(**extra):
    with pytest.raises(PluginError) as refused:
        load_plugins(Settings(), extra=extra)
    return refused.value.message


def test_labs_and_dask_clusters_are_kinds_of_their_plugins():
    kinds = load_plugins(Settings()).kinds
    assert {name: kind.title for name, kind in kinds.items()} == {"lab": "lab", "dask": "Dask cluster", "user": "user"}
    alone = load_plugins(make_settings({"plugins": {"namespace": {}, "lab": {}}}))
    assert (kinds.hub_prefix, alone.kinds.hub_prefix) == ("/services/dask-gateway", "")
    assert (set(alone.kinds), alone.provides("lab"), alone.provides("dask")) == ({"lab", "user"}, True, False)


def test_a_kind_ends_with_its_lab_before_the_others_and_users_go_last():
    batch = Kind("batch", "batches", "batch job", completes=True)
    kinds = load_plugins(Settings(), extra={"mine": declaring(batch, RAY)}).kinds
    assert kinds.retirement_order == ("dask", "ray", "batch", "lab", "user")
    assert [kind.name for kind in kinds.of_plugins] == ["lab", "batch", "dask", "ray"]


def test_a_message_names_a_spawn_by_the_title_of_its_kind_or_by_the_name_of_one_that_is_not_loaded():
    kinds = load_plugins(Settings(), extra={"mine": declaring(RAY)}).kinds
    assert kinds.describe(Key("ray", "r1")) == "Ray cluster 'r1'"
    assert kinds.describe(Key("spark", "s1")) == "spark 's1'"
    assert (kinds["dask"].indefinite, replace(RAY, title="HPC job").indefinite) == ("a Dask cluster", "a HPC job")
    titles = ("lab", "Dask cluster", "query", "Ray", "batch")
    several = ["labs", "Dask clusters", "queries", "Rays", "batches"]
    assert [replace(RAY, title=title).titles for title in titles] == several


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Ray"}, "has the name 'Ray': write up to 15 lower case letters and digits, a letter first."),
        ({"name": "ray-cluster"}, "has the name 'ray-cluster': write up to"),
        ({"name": "x" * 16}, "write up to 15"),
        ({"name": ""}, "has the name ''"),
        ({"name": "user"}, "has the name 'user', which spawnpenny uses itself."),
        ({"name": "record"}, "which spawnpenny uses itself."),
        ({"name": "serve"}, "which spawnpenny uses itself."),
        ({"name": "spawn"}, "which spawnpenny uses itself."),
        ({"name_field": "Farm"}, "has the name field 'Farm': write up to 20 lower case letters"),
        ({"name_field": "phase"}, "has the name field 'phase'"),
        ({"name_field": "lab"}, "has the name field 'lab'"),
        ({"form": "fields"}, "is declared wrongly: Kind.form is not of its type."),
        ({"hub_service": "dask/gateway"}, "has the hub_service 'dask/gateway': write"),
        ({"plural": "users"}, "has the plural 'users', which spawnpenny uses itself."),
        ({"plural": "form"}, "which spawnpenny uses itself."),
        ({"plural": "events"}, "which spawnpenny uses itself."),
        ({"plural": "next"}, "which spawnpenny uses itself."),
        ({"plural": "unknown"}, "which spawnpenny uses itself."),
        ({"plural": "a/b"}, "has the plural 'a/b': write up to 30"),
        ({"title": " "}, "has the title ' ': write one to 40 printable characters."),
        ({"title": "Ray\ncluster"}, "write one to 40 printable characters."),
        ({"minimum": -1}, "has the minimum -1"),
        ({"scales": False, "minimum": 1}, "only a kind that scales has one"),
        ({"scales": False, "maximum": 1}, "has the maximum 1: only a kind that scales has one"),
        ({"minimum": 3, "maximum": 2}, "has the maximum 2"),
        ({"maximum": 0}, "has the maximum 0"),
        ({"scales": "yes"}, "is declared wrongly: Kind.scales is not of its type."),
        ({"options": "form"}, "is declared wrongly: Kind.options is not of its type."),
        ({"name": None}, "is declared wrongly: Kind.name is not of its type."),
    ],
)
def test_a_wrong_kind_is_refused_with_its_plugin_and_the_rule(wrong, message):
    refused = refusal(mine=declaring(replace(RAY, **wrong)))
    assert refused.startswith("A kind of the plugin 'mine' ")
    assert message in refused


@pytest.mark.parametrize("nonsense", [["ray"], [None], [RAY, "spark"]])
def test_kinds_that_are_none_are_refused_with_their_plugin(nonsense):
    message = "The hook spawnpenny_kinds of the plugin 'mine' has to return a list of Kind objects."
    assert refusal(mine=declaring(*nonsense)) == message


@pytest.mark.parametrize(
    ("kind", "plugin", "word", "text"),
    [
        (Kind("lab", "notebooks", "notebook"), "lab", "name", "lab"),
        (Kind("notebook", "labs", "notebook"), "lab", "plural", "labs"),
        (Kind("labs", "notebooks", "notebook"), "lab", "name", "labs"),
        (Kind("notebook", "dask", "notebook"), "dask", "plural", "dask"),
    ],
)
def test_two_kinds_of_one_name_or_plural_are_refused_with_both_plugins(kind, plugin, word, text):
    assert refusal(mine=declaring(kind)) == (
        f"The plugins {plugin!r} and 'mine' both have a kind with the name or plural {text!r}. "
        f"Change the {word} of one."
    )


def test_options_come_from_the_form_the_cluster_options_or_the_steps():
    kinds = load_plugins(Settings(), extra={"mine": declaring(RAY)}).kinds
    sources = {name: kind.options for name, kind in kinds.items() if name != "user"}
    assert sources == {"lab": OptionSource.FORM, "dask": OptionSource.CLUSTER, "ray": OptionSource.STEPS}


def farm(result):
    def form(user):
        if isinstance(result, Exception):
            raise result
        return result

    return declaring(Kind("farm", "farms", "render farm", form=form))


FIELD = FormField("engine", "Engine", (FormChoice("fast", "Fast", default=True),))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "has to be a function that returns a list of FormField objects."),
        (["engine"], "has to be a function that returns a list of FormField objects."),
        (ValueError("no"), "The form of the kind farm of the plugin 'mine' failed: ValueError: no"),
        ([FIELD, FIELD], "The form of the plugin 'mine' cannot be shown"),
    ],
)
def test_a_wrong_form_of_a_kind_is_refused_when_the_service_starts(result, message):
    assert message in refusal(mine=farm(result))


def test_a_kind_has_its_own_form_after_that_of_labs_if_it_uses_it():
    own = farm([FIELD])
    plugins = load_plugins(Settings(), extra={"mine": own})
    ada = User("ada", 1000, 100)
    assert [field.name for field in plugins.form_of("farm", ada)] == ["engine"]
    assert "engine" not in [field.name for field in plugins.form_of("lab", ada)]
    both = declaring(Kind("farm", "farms", "render farm", form=lambda user: [FIELD], options=OptionSource.FORM))
    names = [field.name for field in load_plugins(Settings(), extra={"mine": both}).form_of("farm", ada)]
    assert names == [*(field.name for field in plugins.form_of("lab", ada)), "engine"]


def test_a_name_that_is_unique_among_all_users_gets_a_hash_once():
    ray = replace(RAY, unique_names=True)
    full = ray.unique_name("ada", "mine")
    assert re.fullmatch(r"mine-[0-9a-f]{8}", full)
    assert (ray.unique_name("ada", full), ray.full_name("ada", "mine")) == (full, full)
    assert ray.unique_name("bob", "mine") != full
    assert RAY.unique_name("ada", "Mine!") == "Mine!"
    with pytest.raises(InvalidNameError, match="lower-case letters"):
        ray.unique_name("ada", "Mine!")
